"""Segment nuclei with a Mask R-CNN, correct them in napari, export and learn from it."""
