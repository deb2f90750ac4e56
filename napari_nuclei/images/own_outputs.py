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


def passed_over(paths: Iterable[str | Path]) -> str:
    """Say in a line which files of this program in some folders are not taken for images."""
    folders = [path for path in map(Path, paths) if path.is_dir()]
    names = sorted(f.name for folder in folders for f in folder.iterdir() if is_own_output(f))
    if not names:
        return ""
    more = f" and {len(names) - 2:,} more" if len(names) > 2 else ""
    return (
        f"Not taken for images, since napari-nuclei has written them: {', '.join(names[:2])}{more}."
        " Name such a file by itself if it is meant."
    )
