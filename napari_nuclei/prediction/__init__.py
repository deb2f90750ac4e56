"""From an image of any size to its nuclei.

Not here: networks (`models/`), many images (`batch/`).
"""
