"""Logs that try to break the reading of logs."""
