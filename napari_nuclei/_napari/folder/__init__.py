"""The images of a folder, one at a time and all at once."""
