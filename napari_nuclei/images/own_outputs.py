"""Files that look like images, but are what this program writes beside them.

Whoever names such a file singly is taken at his word.
"""

from __future__ import annotations

from pathlib import Path

OVERLAY = ".overlay.png"
"""Ending of pictures with outlines."""

LABELS = (".labels.tif", ".labels.tiff")
"""Endings of label images."""


def is_own_output(path: Path) -> bool:
    """Whether a file is called as this program calls pictures and label images that it writes."""
    return path.name.lower().endswith((OVERLAY, *LABELS))
