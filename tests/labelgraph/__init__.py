"""Label graphs."""
