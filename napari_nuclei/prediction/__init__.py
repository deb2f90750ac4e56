"""From an image of any size to its nuclei."""

LOW = 0.05
"""Detections below this score are not kept."""
