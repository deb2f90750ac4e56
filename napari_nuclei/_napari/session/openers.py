"""Where the reviews of an image layer come from: the journal beside its file, or by its pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ...errors import UserError
from ...images.decoders import is_turned
from ...images.layout import CHANNEL, layout_of
from ...images.planes import Plane
from ...journal.about import about
from ...journal.locks import is_held
from ...journal.naming import FOLDER
from ...journal.opening import ELSEWHERE
from ...journal.place import away_for, begun, find, home_of, locate, user_folder
from ...nuclei import Nuclei
from ...review import Review
from ...wording import counted
from ..layers.known_by import known_at
from ..layers.known_by import pixels_at as pixels_at
from ..layers.origin import Address, Origin
from ..layers.record import Record
from .host import Host, Teller

if TYPE_CHECKING:
    from ..layers.source import Source

MAX_BYTES = 256 << 20
"""Size of an image without a file up to which its pixels are looked up unasked."""


SECOND = (
    "{} is under review on another layer here: this layer has its own review, which does not "
    "belong to the file."
)
UNSAID = (
    "{} does not say which channel or file it belongs to: check that its nuclei fit this one. "
    "The first change makes it the review of this one."
)
IN_MEMORY = "{} The review is kept in memory only: export it before you close."


class LayerReviews:
    """Opens the reviews of an image layer, plane by plane.

    Parameters
    ----------
    origin : Origin
        Of which file, plane and channel each plane of the review layer is.
    pixels : callable
        Returns the pixels of a plane, for an image whose journal cannot lie beside a file.
    teller : Teller
        The session.
    start : mapping of Plane to Nuclei
        With what new reviews begin.
    """

    def __init__(
        self,
        origin: Origin,
        pixels: Callable[[Plane], NDArray[Any]],
        teller: Teller,
        start: Mapping[Plane, Nuclei] | None = None,
    ) -> None:
        self.shape = origin.shape
        self.origin = origin
        self._pixels = pixels
        self._teller = teller
        self._start = dict(start or {})

    def __call__(self, plane: Plane) -> Review:
        """Open the review of a plane; it is in memory alone where no place can be written."""
        try:
            review = self._open(plane)
        except UserError as error:
            review = Review(self._new(plane))
            review.remarks.append(IN_MEMORY.format(error))
            self._teller.tell(review.remarks[0])
            return review
        assert review.journal is not None
        for warning in review.warnings:
            self._teller.tell(warning)
        review.journal.trouble.connect(self._teller.tell)
        return review

    def _open(self, plane: Plane) -> Review:
        def pixels() -> NDArray[Any]:
            return self._pixels(plane)

        place, start = self.origin.address(plane), self._new(plane)
        if place.path is not None:
            at = self._older(place, plane)
            review = Review.open(
                place.path, place.plane, start, pixels, part=place.part, at=at,
                known_by=self.origin.pixels,
            )  # fmt: skip
            if at is not None and not review.read_only and at.parent.name == FOLDER:
                review.remarks.append(UNSAID.format(at.name))
            if not review.read_only or not self._is_ours(review):
                return review
        # A second layer of the same image: a review of its own.
        key = place.plane
        review = Review.open(None, key, start, pixels)
        for number in count(1):
            if not review.read_only or not self._is_ours(review):
                break
            # A copy of a layer: its pixels are no name for it, so take a number that is free.
            named = (*key, number)
            if not away_for(pixels(), named).exists():
                review = Review.open(None, named, start, pixels)
        if place.path is not None:
            review.remarks.append(SECOND.format(place.path.name))
        return review

    def _is_ours(self, review: Review) -> bool:
        """Whether another layer of this very window holds a review."""
        return review.journal is not None and review.journal.path in self._teller.held()

    def _new(self, plane: Plane) -> Nuclei:
        found = self._start.get(plane)
        return Nuclei((self.shape[-2], self.shape[-1])) if found is None else found

    # -- which there are --------------------------------------------------------------

    def journal(self, plane: Plane, shown: bool = False) -> Path | None:
        """Return the journal of a plane, if it has one; `shown`: even on another layer here."""
        place = self.origin.address(plane)
        if place.path is None:
            return None
        found = locate(place.path, place.plane, place.part) or self._older(place, plane)
        return found if shown or found not in self._teller.held() else None

    def _older(self, place: Address, at: Plane) -> Path | None:
        """Return a journal that may be meant, of before parts and stacks of files were told apart.

        It is one that says of no part that it is of it, and none has come that does.
        """
        assert place.path is not None
        if locate(place.path, place.plane, place.part) is not None:
            return None
        if place.part and (away := self._away(at)) is not None:
            return away  # of these very pixels
        for path, plane in place.older:
            found = find(path, plane)
            said = about(found) if found is not None and found not in self._teller.held() else None
            if said is not None and said.part is None and said.shape == self.shape[-2:]:
                return found
        return None

    def begun(self, shown: bool = False) -> list[Plane]:
        """List the planes that have a journal, as `journal`."""
        if self.origin.file is None:
            return [(0,) * (len(self.shape) - 2)] if self._has_away() else []
        files = {self.origin.file, *(self.origin.files or ())}
        moved = self.origin.files is None  # not a search for each of many files
        known = {p: set(begun(p, moved)) for p in files if p is not None}
        if not any(known.values()):
            return []
        planes = np.ndindex(*self.shape[:-2])
        return [p for p in planes if self._may_be_begun(p, known) and self.journal(p, shown)]

    def _may_be_begun(self, plane: Plane, known: Mapping[Path, set[tuple[Plane, str]]]) -> bool:
        place = self.origin.address(plane)
        if place.path is None:
            return False
        named = (place.plane, place.part) in known.get(place.path, ())
        return named or any((key, "") in known.get(path, ()) for path, key in place.older)

    def _has_away(self) -> bool:
        """Whether there is a journal of an image without a file that is quick to read."""
        return self._away((0,) * (len(self.shape) - 2)) is not None

    def _away(self, plane: Plane) -> Path | None:
        """Return the journal of a layer's only plane that is kept by its pixels."""
        if int(np.prod(self.shape[:-2])) != 1 or not any(user_folder().glob("*.jsonl")):
            return None
        path = away_for(self._pixels(plane))
        return path if path.exists() and path not in self._teller.held() else None

    def is_held(self, plane: Plane) -> bool:
        """Whether another window has the review of a plane open, which is not open here."""
        place = self.origin.address(plane)
        if place.path is None:
            return False
        path = find(place.path, place.plane, place.part)
        path = path or home_of(place.path, place.plane, place.part)
        return path not in self._teller.held() and is_held(path)

    # -- what it is called ------------------------------------------------------------

    def describe(self, plane: Plane) -> tuple[Path, dict[str, Any]] | None:
        """Return the file, and plane and channels, for exports; None if nothing is known."""
        place = self.origin.address(plane)
        layout = None if place.path is None else layout_of(place.path)
        if place.path is None or layout is None or place.part.startswith("p"):
            return None
        extra: dict[str, Any] = {}
        if place.plane:
            extra |= {"plane": list(place.at), "stack": list(place.stack)}
        channels = place.channels
        if CHANNEL in layout.axes and not channels:  # all, of which three are seen
            channels = tuple(range(min(3, layout.channels)))
        if channels:
            extra["channels"] = list(channels)
        return place.path, extra


def reviews_of(image: Image, shape: Sequence[int], host: Host) -> LayerReviews:
    """Return the opener of an image layer's reviews, for a review layer of this shape."""
    if words := turned_notice(image):
        host.tell(words)

    def siblings() -> list[Image]:
        layers = [x for x in host.viewer.layers if isinstance(x, Image)]
        return [x for x in layers if x.source.path == image.source.path]

    origin = Origin(shape, file_of(image), image, siblings)
    return LayerReviews(origin, lambda p: known_at(image, shape, p), host)


def note_channels(record: Record, review: Review, source: Source) -> None:
    """Note in a review which channels of its file a model sees."""
    opener = record.opener
    own = opener.origin if isinstance(opener, LayerReviews) else None
    review.note_channels((own or Origin((), None, source.image)).seen(source.channels))


def writable(host: Host, sources: Sequence[Source]) -> list[Source]:
    """Leave out planes that cannot be worked on, since another window has their reviews open.

    Raises
    ------
    UserError
        If none is left.
    """
    free = [source for source in sources if not _is_held_elsewhere(host, source)]
    if not free:
        raise UserError(ELSEWHERE)
    if held := len(sources) - len(free):
        host.tell(f"{counted(held, 'plane')} left out: open in another window.")
    return free


def _is_held_elsewhere(host: Host, source: Source) -> bool:
    record = host.record_for(source.image, source.shape)
    if record is not None and source.plane in record.reviews:
        return record.reviews[source.plane].read_only
    opener = reviews_of(source.image, source.shape, host) if record is None else record.opener
    return opener is not None and opener.is_held(source.plane)


def file_of(image: Image) -> Path | None:
    """Return the file of a layer, if its pixels came straight from one and are shown upright."""
    path = image.source.path
    if not path or Path(path).suffix.lower() == ".json" or is_turned(Path(path)):
        return None
    return Path(path).absolute() if Path(path).exists() else None


def turned_notice(image: Image) -> str:
    """Say that napari shows an image as its file keeps it and not upright; mostly empty."""
    path = image.source.path
    if not path or not is_turned(Path(path)):
        return ""
    return (
        f"{Path(path).name} is stored rotated or mirrored (EXIF), and napari shows it so: what "
        "you do here fits only that view. To work on it upright, drop it on the Nuclei widget "
        "(Plugins ▸ Nuclei ▸ Nuclei (Nuclei))."
    )


def is_cheap(image: Image) -> bool:
    """Whether a layer's pixels lie in memory, and are soon looked through."""
    data = image.data
    return not image.multiscale and isinstance(data, np.ndarray) and data.nbytes <= MAX_BYTES
