"""`Record`: the reviews of one image layer, one for each plane, and what the image is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...formats.categories import DEFAULT, Category
from ...formats.dataset import DataSet
from ...images.planes import Plane
from ...nuclei import ImageRecord, Nuclei, labels
from ...nuclei.label_check import remark_on, whole
from ...review import Review

KEY = "napari_nuclei"
"""Where a record is found in the metadata of a layer."""

"""Indices of a plane along all axes of the layer but the last two; () for a 2-D layer."""


class Opener(Protocol):
    """Opens the reviews of an image, and knows which of its planes have one."""

    def __call__(self, plane: Plane) -> Review:
        """Open the review of a plane; begin one if there is none."""

    def begun(self) -> list[Plane]:
        """List the planes that have one."""

    def is_held(self, plane: Plane) -> bool:
        """Whether another window has the review of a plane open, which is not open here."""


@dataclass(eq=False)
class Record:
    """The nuclei of an image, plane by plane.

    Attributes
    ----------
    shape : (int, int)
        Height and width of a plane in px.
    file_name : str
        Name of the image, for exports.
    image_id : int
        Id of the image, for exports; of a stack that of the first plane, from which the others
        count on.
    reviews : dict of Plane to Review
        Those that are open.
    stack : tuple of int
        Size of the layer along all axes but the last two; () for a 2-D layer.
    shown : bool
        Whether a layer shows it now: then the layer's pixels are a view of the nuclei.
    extra : mapping
        What the file that it was read from says of the image besides.
    categories : tuple of Category
        Those that the file lists.
    file : Path or None
        The image's file, where its layer may not tell it.
    homes : tuple of Path
        Folders out of which no image is copied, where a file has named it.
    opener : Opener or None
        Opens the review of a plane with its journal; without one reviews are in memory alone.
    borrowed : bool
        Whether the opener's owner closes the reviews.
    describe : callable or None
        Returns the file of a plane and what an export says of its place there, if that is known.
    """

    shape: tuple[int, int]
    file_name: str = "image"
    image_id: int = 1
    reviews: dict[Plane, Review] = field(default_factory=dict)
    stack: tuple[int, ...] = ()
    shown: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[Category, ...] = (DEFAULT,)
    file: Path | None = None
    homes: tuple[Path, ...] = ()
    opener: Opener | None = None
    borrowed: bool = False
    describe: Callable[[Plane], tuple[Path, dict[str, Any]] | None] | None = None

    @property
    def layer_shape(self) -> tuple[int, ...]:
        """Size of the layer that shows it."""
        return (*self.stack, *self.shape)

    def review(self, plane: Plane = ()) -> Review:
        """Return the review of a plane, opened if it is not yet."""
        if plane not in self.reviews:
            new = Review(Nuclei(self.shape)) if self.opener is None else self.opener(plane)
            self.reviews[plane] = new
        return self.reviews[plane]

    def close(self) -> list[str]:
        """Close all reviews; they are opened again when they are wanted.

        Returns
        -------
        list of str
            What the person should know: where those were written whose own place failed.
        """
        if self.borrowed:
            self.reviews.clear()
        said = []
        for plane, review in list(self.reviews.items()):
            if review.journal is None:
                continue
            try:
                moved = review.close()
            except UserError as error:
                said.append(str(error))
                continue
            del self.reviews[plane]
            if moved:
                said.append(f"The review of {self.file_name} is kept in {moved}.")
        return said

    def copy(self) -> Record:
        """Return a record of the same nuclei with histories of their own."""
        reviews = {plane: Review(r.nuclei.copy()) for plane, r in self.reviews.items()}
        copy = Record(self.shape, self.file_name, self.image_id, reviews, self.stack)
        copy.extra, copy.categories = self.extra, self.categories
        return copy

    def images(self) -> dict[Plane, ImageRecord]:
        """Return what an export calls each plane worked on."""
        planes = [p for p, review in sorted(self.reviews.items()) if _is_begun(review)]
        return {key: self.image(key) for key in planes or [(0,) * len(self.stack)]}

    def image(self, plane: Plane) -> ImageRecord:
        """Return what an export calls a plane: by its place in its file, where that is known."""
        file, place = self.place(plane)
        name = self.file_name if file is None else file.name
        id = self.image_id + number_of(plane, self.stack)
        return ImageRecord(id, name, *self.shape, extra={**self.extra, **place})

    def place(self, plane: Plane) -> tuple[Path | None, dict[str, Any]]:
        """Return the file of a plane, if that is known, and what an export says of its place."""
        found = None if self.describe is None else self.describe(plane)
        if found is None:
            return None, {"plane": list(plane), "stack": list(self.stack)} if plane else {}
        review = self.reviews.get(plane)
        channels = () if review is None else review.channels
        return found[0], {**found[1], **({"channels": list(channels)} if channels else {})}

    def data_set(self) -> DataSet:
        """Return what a COCO file holds of it: one image for each plane worked on."""
        images = self.images()
        reviews = {images[key].id: self.reviews.get(key) for key in images}
        nuclei = {k: Nuclei(self.shape) if r is None else r.nuclei for k, r in reviews.items()}
        return DataSet(list(images.values()), nuclei, categories=self.categories)

    def draw(self) -> NDArray[np.int32]:
        """Draw all planes into a label image of the layer's shape."""
        out = np.zeros(self.layer_shape, np.int32)
        for plane, review in self.reviews.items():
            out[plane] = labels.draw(review.nuclei)
        return out


def number_of(plane: Plane, stack: tuple[int, ...]) -> int:
    """Return how many planes of a stack lie before this one."""
    return int(np.ravel_multi_index(plane, stack)) if stack else 0


def _is_begun(review: Review) -> bool:
    """Whether anybody has segmented or worked on a plane; looking at it is not enough."""
    nuclei = review.nuclei
    return bool(len(nuclei) or nuclei.complete or nuclei.crowds or review.done or review.undone)


def nuclei_and_remark(data: NDArray[Any], name: str) -> tuple[Nuclei, str]:
    """Read a label image that is not ours, and say where several nuclei seem to have one value.

    Raises
    ------
    UserError
        If it cannot be read as one, or looks like a photograph.
    """
    try:
        found = whole(np.asarray(data))
        return labels.from_labels(found, name), remark_on(found)
    except ValueError as error:
        raise UserError(f"“{name}” cannot be used as nuclei: {error}.") from error
