"""Many images in one run."""
