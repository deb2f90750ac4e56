"""Where the reviews of an image layer come from: the journal beside its file, or by its pixels.

Here: layer → reviews that are kept on disk, and which of its planes have one already. Not
here: journals (`journal/journal.py` and its neighbours), layers that show reviews (`session.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from .. import labels
from ..errors import UserError
from ..images.large_image import LargeImage
from ..journal.place import away_for, begun_planes, find, user_folder
from ..journal.snapshot import peek
from ..nuclei import Nuclei
from ..review import Review
from .pane import is_large
from .record import Plane, Record, number_of
from .source import shape_of

MOST_BYTES = 256 << 20
"""Size of an image without a file up to which its pixels are looked up unasked."""


class Teller(Protocol):
    """Who opens reviews and speaks to the person: the session."""

    def tell(self, text: str) -> None:
        """Tell the person something; from any thread."""

    def held(self) -> set[Path]:
        """Return the journals that are open for its own layers."""


class LayerReviews:
    """Opens the reviews of an image layer, plane by plane.

    Parameters
    ----------
    shape : tuple of int
        Of the review layer: (…, H, W).
    file : Path or None
        The image's file.
    pixels : callable
        Returns the pixels of a plane, for an image whose journal cannot lie beside a file.
    teller : Teller
        The session.
    start : mapping of Plane to Nuclei
        With what new reviews begin.
    """

    def __init__(
        self,
        shape: Sequence[int],
        file: Path | None,
        pixels: Callable[[Plane], NDArray[Any]],
        teller: Teller,
        start: Mapping[Plane, Nuclei] | None = None,
    ) -> None:
        self.shape = tuple(shape)
        self.file = file
        self._pixels = pixels
        self._teller = teller
        self._start = dict(start or {})

    def __call__(self, plane: Plane) -> Review:
        """Open the review of a plane; it is in memory alone where no place can be written."""
        try:
            review = self._open(plane)
        except UserError as error:
            self._teller.tell(
                f"{error} The review is kept in memory alone: export it before you close."
            )
            return Review(self._new(plane))
        assert review.journal is not None
        for notice in review.journal.notices:
            if str(review.journal.path) not in notice:  # where it lies is always to be seen
                self._teller.tell(notice)
        review.journal.trouble.connect(self._teller.tell)
        return review

    def _open(self, plane: Plane) -> Review:
        def pixels() -> NDArray[Any]:
            return self._pixels(plane)

        key = self.key(plane)
        if self.file is not None:
            review = Review.open(self.file, key, self._new(plane), pixels)
            if not review.read_only or not self._is_ours(review):
                return review
        # A second layer of the same file, such as one channel of several: a review of its own.
        review = Review.open(None, key, self._new(plane), pixels)
        for number in count(1):
            if not review.read_only or not self._is_ours(review):
                break
            # A copy of a layer: its pixels are no name for it, so take a number that is free.
            named = (*key, number)
            if not away_for(pixels(), named).exists():
                review = Review.open(None, named, self._new(plane), pixels)
        return review

    def _is_ours(self, review: Review) -> bool:
        """Whether another layer of this very window holds a review."""
        return review.journal is not None and review.journal.path in self._teller.held()

    def _new(self, plane: Plane) -> Nuclei:
        found = self._start.get(plane)
        return Nuclei((self.shape[-2], self.shape[-1])) if found is None else found

    def key(self, plane: Plane) -> Plane:
        """Return how a journal names a plane: by its number in the file, () if there is but one."""
        stack = self.shape[:-2]
        return (number_of(plane, stack),) if int(np.prod(stack)) > 1 else ()

    def begun(self) -> list[Plane]:
        """List the planes that have a journal."""
        stack = self.shape[:-2]
        planes = int(np.prod(stack))
        keys: list[Plane] = [()] if self.file is None and self._has_away() else []
        if self.file is not None:
            keys = begun_planes(self.file)
        if planes == 1:
            return [(0,) * len(stack)] if () in keys else []
        found = [np.unravel_index(k[0], stack) for k in keys if len(k) == 1 and k[0] < planes]
        return [tuple(int(i) for i in plane) for plane in found]

    def _has_away(self) -> bool:
        """Whether there is a journal of an image without a file that is quick to read."""
        if int(np.prod(self.shape[:-2])) != 1 or not any(user_folder().glob("*.jsonl")):
            return False
        return away_for(self._pixels((0,) * (len(self.shape) - 2))).exists()


def reviews_of(image: Image, shape: Sequence[int], teller: Teller) -> LayerReviews:
    """Return the opener of an image layer's reviews, for a review layer of this shape."""
    return LayerReviews(shape, file_of(image), lambda p: known_at(image, shape, p), teller)


def kept(record: Record, image: Image | None, teller: Teller) -> str:
    """Give the reviews of a record that was read from a file journals.

    They are kept with their image, unless that has another review already: that one is not
    touched, and these are kept by themselves.

    Returns
    -------
    str
        What the person should know; mostly empty.
    """
    before = record.reviews
    start = {plane: _beginning(review) for plane, review in before.items()}

    def drawn(plane: Plane) -> NDArray[Any]:
        return picture_of(before[plane].nuclei if plane in before else Nuclei(record.shape))

    own = LayerReviews(record.layer_shape, None, drawn, teller, start)
    file = record.file or (file_of(image) if image is not None else None)
    record.opener = own
    words = ""
    if file is not None:
        beside = LayerReviews(record.layer_shape, file, drawn, teller, start)
        if all(_agrees(beside, plane, before.get(plane)) for plane in beside.begun()):
            record.opener = beside
        else:
            words = (
                f"{file.name} has a review of its own, which stays as it is. To go on with the "
                "nuclei of this file in its place, choose the image and press Adopt."
            )
    record.reviews = {}
    for plane, old in before.items():
        review = record.review(plane)
        for edit in old.done if not len(review.done) else ():
            review.do(edit)
    return words


def _beginning(review: Review) -> Nuclei:
    """Return the nuclei with which a review in memory began."""
    nuclei = review.nuclei.copy()
    for edit in reversed(review.done):
        nuclei.apply(edit.inverse())
    return nuclei


def _agrees(opener: LayerReviews, plane: Plane, review: Review | None) -> bool:
    assert opener.file is not None
    path = find(opener.file, opener.key(plane))
    known = None if path is None else peek(path)
    return known is None or (review is not None and known == review.nuclei)


def file_of(image: Image) -> Path | None:
    """Return the file of a layer, if its pixels came straight from one."""
    path = image.source.path
    if not path or Path(path).suffix.lower() == ".json":
        return None
    return Path(path).absolute() if Path(path).exists() else None


def is_cheap(image: Image) -> bool:
    """Whether a layer's pixels lie in memory, and are soon looked through."""
    data = image.data
    return not image.multiscale and isinstance(data, np.ndarray) and data.nbytes <= MOST_BYTES


def picture_of(nuclei: Nuclei) -> NDArray[Any]:
    """Return what nuclei are known by: their label image, of large planes a list of them."""
    if not is_large(nuclei.shape):
        return labels.draw(nuclei)
    rows = [(n.id, *n.mask.box, n.mask.area) for n in nuclei]
    return np.array([(*nuclei.shape, 0, 0, 0, 0), *rows], np.int64)


def pixels_at(image: Image, shape: Sequence[int], plane: Plane) -> NDArray[Any]:
    """Return all channels of a plane of a review layer that has this shape."""
    data = image.data[0] if image.multiscale else image.data
    return np.asarray(data[_at(image, shape, plane)])


def known_at(image: Image, shape: Sequence[int], plane: Plane) -> NDArray[Any]:
    """Return what a plane is known by: its pixels; of a large one, some of them.

    These are its size and squares all over it, as bytes.
    """
    full = shape_of(image)
    if not is_large(full):
        return pixels_at(image, shape, plane)
    data = image.data[0] if image.multiscale else image.data
    at = _at(image, shape, plane)
    boxes = LargeImage(np.broadcast_to(np.uint8(0), full[-2:])).samples()
    parts = [np.asarray(data[(*at, slice(a, c), slice(b, d))]) for a, b, c, d in boxes]
    return np.concatenate([_bytes(np.array(full)), *map(_bytes, parts)])


def _at(image: Image, shape: Sequence[int], plane: Plane) -> tuple[int | slice, ...]:
    lead = len(shape_of(image)) - len(shape)
    inner = [slice(None) if n == 1 else k for n, k in zip(shape[:-2], plane, strict=True)]
    return (*[slice(None)] * lead, *inner)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
