"""Segment nuclei with a Mask R-CNN, correct them in napari, export and learn from it.

For scripts and notebooks: `segment`, `read`, `write`, `score`, `Review`, and the values `Nuclei`,
`Nucleus`, `Mask`, `DataSet`. Each is loaded when it is first used, so that this import is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import read, score, segment, write
    from .errors import UserError
    from .formats.dataset import DataSet
    from .masks import Mask
    from .nuclei import Nuclei, Nucleus
    from .review import Review

__all__ = [
    "DataSet",
    "Mask",
    "Nuclei",
    "Nucleus",
    "Review",
    "UserError",
    "read",
    "score",
    "segment",
    "write",
]

_PLACES = {
    "DataSet": "formats.dataset",
    "Mask": "masks",
    "Nuclei": "nuclei",
    "Nucleus": "nuclei",
    "Review": "review",
    "UserError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PLACES.get(name, 'api')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
