"""The bench: a paper's table, every method over every setting and seed, beside the published numbers."""
