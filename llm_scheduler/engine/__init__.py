"""The seam to ``adaptive_scheduler`` and to the schedulers' own commands."""
