"""What a reviewer should look at next, and why. Not here: the camera and keys (`_napari/`)."""
