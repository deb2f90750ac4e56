"""A folder of images under review."""
