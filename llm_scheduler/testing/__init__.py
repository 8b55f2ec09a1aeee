"""Test doubles that other packages may use too; nothing else here imports them."""
