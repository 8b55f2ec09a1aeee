"""Tests of the seam to the schedulers."""
