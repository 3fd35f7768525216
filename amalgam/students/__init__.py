"""Students: one file each, named as the student."""
