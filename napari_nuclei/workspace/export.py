"""All images of a workspace and their nuclei, for an export."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ReviewError, UserError
from ..formats.dataset import DataSet
from ..images.images import image_info
from ..images.planes import Plane
from ..journal.about import about
from ..journal.fingerprint import Fingerprint
from ..journal.naming import channels_of_part
from ..journal.place import locate
from ..nuclei import ImageRecord, Nuclei
from ..progress import Progress
from .files import Item, planes_of
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
    def of(plane: Plane, part: str) -> Nuclei:
        found = known.get((item.path, plane, part))
        if found is None:
            _check(item.path, plane, part)
            return workspace.stored(item.path, plane, part)
        return found

    if item.record is not None:
        return [(item.record, of(item.plane, item.part))]
    channels = image_info(item.path).channels
    planes = planes_of(item.path)
    out: list[tuple[ImageRecord, Nuclei]] = []
    for plane in planes:
        for part in workspace.journals.parts(item.path, plane):
            extra: dict[str, Any] = {"plane": list(plane), "stack": [len(planes)]} if plane else {}
            seen = channels_of_part(part)
            if channels > 1 and not seen:
                seen = _seen(item.path, plane) or tuple(range(min(3, channels)))
            extra |= {"channels": list(seen)} if seen else {}
            found = of(plane, part)
            record = ImageRecord(id + len(out), item.name, *found.shape, extra=extra)
            out.append((record, found))
    return out


def _check(image: Path, plane: Plane, part: str) -> None:
    """Fail where an image is another one than was reviewed, of which nobody has been told yet."""
    path = locate(image, plane, part)
    said = None if path is None else about(path)
    if said is None or said.image is None or not said.image.digest:
        return
    try:
        same = said.image.looks_like(Fingerprint.of(image, digest=False))
        same = same or said.image.digest == Fingerprint.of(image).digest
    except OSError:
        return  # whoever needs its pixels says so
    if not same:
        raise ReviewError(
            f"{image} has changed since it was reviewed: open it to check that its nuclei fit"
        )


def _seen(image: Path, plane: Plane) -> tuple[int, ...]:
    """Return the channels that a model has seen of a plane; () where that is not known."""
    path = locate(image, plane)
    said = None if path is None else about(path)
    return () if said is None else said.channels
