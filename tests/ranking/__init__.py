"""Rankings of sources and teachers."""
