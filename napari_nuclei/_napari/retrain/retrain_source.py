"""What a retraining in the window learns from: the images that are open, or a whole folder."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.layers import Image
from numpy.typing import NDArray

from ...batch.writable import make_folder
from ...errors import UserError
from ...formats import coco
from ...formats.dataset import DataSet
from ...images.planes import Plane
from ...nuclei import ImageRecord, Kind, Nuclei
from ...nuclei.counts import Counts
from ...progress import Progress
from ...wording import counted
from ...workspace.export import gather
from ...workspace.workspace import Workspace
from ..folder.folder import Folder
from ..session.openers import file_of, pixels_at
from ..session.session import Session


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to learn from.

    Attributes
    ----------
    label : str
        For a person.
    folder : Path or None
        All reviewed images in it; None for the images that are open.
    """

    label: str
    folder: Path | None = None


def choices(session: Session) -> list[Choice]:
    """List what there is to learn from, the images that are open first."""
    out = [Choice("The images open here")]
    images = (layer for layer in session.viewer.layers if isinstance(layer, Image))
    files = (file_of(image) for image in images if session.record_of(image) is not None)
    folders = dict.fromkeys(file.parent for file in files if file is not None)
    return out + [Choice(f"All reviewed images in {folder.name or folder}", folder)
                  for folder in folders]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Open:
    """A plane of an open image as it is now, to be written on another thread."""

    name: str
    file: Path | None
    place: dict[str, Any]
    nuclei: Nuclei
    pixels: Callable[[], NDArray[Any]]


def open_planes(session: Session) -> list[Open]:
    """Take down the reviews that are open."""
    out = []
    for image in session.viewer.layers:
        record = session.record_of(image) if isinstance(image, Image) else None
        if record is None:
            continue
        for plane, review in record.reviews.items():
            shape = record.layer_shape
            file, place = record.place(plane)

            def pixels(
                image: Image = image, shape: tuple[int, ...] = shape, plane: Plane = plane
            ) -> NDArray[Any]:
                return pixels_at(image, shape, plane)

            nuclei = review.nuclei.copy()
            out.append(Open(record.file_name, file, place, nuclei, pixels))
    return out


UNCORRECTED = (
    "Nothing is corrected, drawn or rejected yet, so there is nothing for a model to learn."
)


def teaches(nuclei: Nuclei, counts: Counts | None = None) -> bool:
    """Whether there is something in a review that its model did not say."""
    c = Counts.of(nuclei) if counts is None else counts
    own = c.corrected or c.added or c.rejected
    return bool(own) or any(n.origin.kind is Kind.IMPORT for n in nuclei)


@dataclass(frozen=True, slots=True)
class Summary:
    """How much has been reviewed: images, areas marked complete, and numbers of nuclei.

    `teaches` is whether there is something to learn from in it.
    """

    images: int
    areas: int
    counts: Counts
    teaches: bool = False

    def __str__(self) -> str:
        c = self.counts
        if not self.images:
            return "Nothing is reviewed yet."
        images = counted(self.images, "image")
        areas = f"{counted(self.areas, 'area')} marked complete"
        kinds = ("accepted", c.as_is), ("corrected", c.corrected), ("hand-made", c.added)
        done = ", ".join(f"{n:,} {kind}" for kind, n in (*kinds, ("rejected", c.rejected)))
        if not self.areas:
            return (
                f"{images}: {done}. <b>Nothing is marked complete</b>: "
                "More ▸ Mark the image complete."
            )
        return f"{images}, {areas}: {done}." + f" {UNCORRECTED}" * (not self.teaches)

    @property
    def is_enough(self) -> bool:
        """Whether a model can be retrained on it."""
        return bool(self.areas) and self.teaches


def summary(planes: Iterable[Open]) -> Summary:
    """Count what is reviewed in open images."""
    counts = Counts()
    begun = [p for p in planes if Counts.of(p.nuclei).begun or p.nuclei.complete]
    for plane in begun:
        counts.add(plane.nuclei, plane.nuclei)
    areas = sum(len(p.nuclei.complete) for p in begun)
    return Summary(len(begun), areas, counts, any(teaches(p.nuclei) for p in begun))


def is_worth_it(session: Session) -> bool:
    """Whether anything was corrected in the images that are open, or in the folder that is."""
    reviews = (review for record in session.records for review in record.reviews.values())
    if any(teaches(review.nuclei, review.counts) for review in reviews):
        return True
    folder = Folder.known_of(session)
    known = () if folder is None else map(folder.standings.of, range(len(folder.items)))
    return any(s.counts.corrected or s.counts.added or s.counts.rejected for s in known if s)


def write(planes: list[Open], choice: Choice, place: Path) -> Generator[Progress, None, Path]:
    """Write the reviewed data set, and the pixels of images that have no file.

    Parameters
    ----------
    place : Path
        A folder for both, made if it is missing.

    Returns
    -------
    Path
        The data set, as the generator's value.

    Raises
    ------
    UserError
        If there is nothing to learn from.
    """
    make_folder(place)
    if choice.folder is not None:
        data = yield from gather(Workspace(choice.folder))
        folder = choice.folder
        data.images = [replace(i, file_name=str(folder / i.file_name)) for i in data.images]
    else:
        data = DataSet([], {})
        for id, plane in enumerate(planes, 1):
            yield Progress(id - 1, len(planes), "Collecting the images")
            data.images.append(_record(plane, id, place))
            data.nuclei[id] = plane.nuclei
    found = [(image, nuclei) for image, nuclei in data if len(nuclei) or nuclei.complete]
    if not any(nuclei.complete for _, nuclei in found):
        raise UserError("Nothing is marked complete: review a whole image, then mark it complete.")
    if not any(teaches(nuclei) for _, nuclei in found):
        raise UserError(UNCORRECTED)
    path = place / "reviewed.json"
    coco.write(path, data)
    return path


def _record(plane: Open, id: int, place: Path) -> ImageRecord:
    file, extra = plane.file, plane.place
    if file is None:
        import tifffile

        file, extra = place / f"{id}.tif", {}
        tifffile.imwrite(file, plane.pixels())
    return ImageRecord(id, str(file), *plane.nuclei.shape, extra=extra)
