"""Training: the settings, the one loop, its checkpoints."""
