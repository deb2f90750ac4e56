"""All images of a workspace and their nuclei, for an export.

Here: gathering them, whether or not somebody works on them meanwhile. Not here: files
(`formats/`), reviews (`workspace.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..formats.dataset import DataSet, ImageRecord
from ..journal.place import Plane
from ..nuclei import Nuclei
from ..progress import Progress
from .files import Item

if TYPE_CHECKING:
    from .workspace import Key, Workspace

LeftOut = Callable[[Item, UserError], None]


def gather(
    workspace: Workspace,
    live: Mapping[Key, Nuclei] | None = None,
    left_out: LeftOut | None = None,
) -> Generator[Progress, None, DataSet]:
    """Gather all images and their nuclei.

    Parameters
    ----------
    workspace : Workspace
        Whose images.
    live : mapping, optional
        `Workspace.live`, as it was when this was asked for: needed where reviews change while
        a thread gathers. By default it is asked for at the beginning.
    left_out : callable, optional
        Is told which image cannot be read, and why; it is left out. By default that is an error.

    Yields
    ------
    Progress
        One for each image.

    Returns
    -------
    DataSet
        All images, those that nobody has touched too; a list's under its own ids.

    Raises
    ------
    UserError
        If an image or a journal cannot be read.
    """
    images: list[ImageRecord] = []
    nuclei: dict[int, Nuclei] = {}
    known = workspace.live() if live is None else live
    for number, item in enumerate(workspace.items):
        yield Progress(number, len(workspace.items), item.name)
        try:
            found = _exported(workspace, item, known, len(images) + 1)
        except UserError as error:
            if left_out is None:
                raise
            left_out(item, error)
            continue
        images += [record for record, _ in found]
        nuclei |= {record.id: of_image for record, of_image in found}
    return DataSet(images, nuclei, workspace.about, workspace.categories)


def _exported(
    workspace: Workspace, item: Item, known: Mapping[Key, Nuclei], id: int
) -> list[tuple[ImageRecord, Nuclei]]:
    def of(plane: Plane) -> Nuclei:
        found = known.get((item.path, plane))
        return workspace.stored(item.path, plane) if found is None else found

    if item.record is not None:
        return [(item.record, of(item.plane))]
    planes = workspace.planes(item.path)
    out = []
    for number, plane in enumerate(planes):
        extra: dict[str, Any] = {"plane": list(plane), "stack": [len(planes)]} if plane else {}
        found = of(plane)
        out.append((ImageRecord(id + number, item.name, *found.shape, extra=extra), found))
    return out
