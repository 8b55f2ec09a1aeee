"""Programs that really fail, sorted by field, with what should be said about each."""
