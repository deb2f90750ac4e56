"""Files that look like images, but are what this program writes beside them.

Here: telling them by their names. Not here: the writers (`formats/registry.py`, `overlay.py`).
Whoever names such a file singly is taken at his word.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

OVERLAY = ".overlay.png"
"""Ending of pictures with outlines."""

LABELS = (".labels.tif", ".labels.tiff")
"""Endings of label images."""


def is_own_output(path: Path) -> bool:
    """Whether a file is called as this program calls pictures and label images that it writes."""
    return path.name.lower().endswith((OVERLAY, *LABELS))


def own_outputs_in(paths: Iterable[str | Path]) -> list[Path]:
    """List the files of this program in the folders among some paths, which are passed over."""
    folders = [path for path in map(Path, paths) if path.is_dir()]
    return [file for folder in folders for file in sorted(folder.iterdir()) if is_own_output(file)]
