"""The tests; a package, so that they can import their own parts."""
