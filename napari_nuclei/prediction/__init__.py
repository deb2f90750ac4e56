"""From an image of any size to its nuclei.

Not here: networks (`models/`), many images (`batch/`).
"""

LOW = 0.05
"""Detections below this score are not kept."""
