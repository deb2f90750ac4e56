"""Which files a stack was made of, where napari has put several into one layer.

napari tells of the first file only; the others are known to the array that reads them when they are
looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

from napari.layers import Image


def files_of(image: Image) -> list[Path | None] | None:
    """Return the file of each index of a layer's first axis, None where that cannot be told.

    None for all of it if the layer is not read from files when it is looked at.
    """
    array = image.data[0] if image.multiscale else image.data
    blocks = getattr(array, "numblocks", None)
    if blocks is None or len(blocks) < 3 or blocks[0] != array.shape[0]:
        return None
    graph = dict(array.__dask_graph__())
    rest = (0,) * (len(blocks) - 1)
    found = [_file_of(graph, (array.name, k, *rest)) for k in range(blocks[0])]
    return found if any(found) else None


def _file_of(graph: Mapping[Any, Any], key: Hashable) -> Path | None:
    """Return the one file that a block is read from."""
    from dask.optimization import cull

    part, _ = cull(graph, [key])
    names = {text for task in part.values() for text in _texts(task)}
    files = {Path(name).absolute() for name in names if name and Path(name).exists()}
    return files.pop() if len(files) == 1 else None


def _texts(task: Any, depth: int = 8) -> Iterator[str]:
    """Yield all strings that a task of dask's is called with."""
    if isinstance(task, str | Path):
        yield str(task)
    elif depth and isinstance(task, Mapping):
        for value in task.values():
            yield from _texts(value, depth - 1)
    elif depth and isinstance(task, tuple | list | set):
        for value in task:
            yield from _texts(value, depth - 1)
    elif depth:
        for name in ("args", "kwargs", "value"):
            yield from _texts(getattr(task, name, ()), depth - 1)
