"""Which images of one file are which of another: by their names, and never two as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import ImageMismatchError
from ..images.planes import Plane
from ..nuclei import ImageRecord
from .image_names import Match, Names, last_of, listed, settled, shown
from .image_rows import texts_of
from .image_sizes import other_size


def plane_of(image: ImageRecord) -> Plane:
    """Return which plane of a stack an image is; () for an ordinary one."""
    plane = image.extra.get("plane")
    numbers = plane if isinstance(plane, list) else []
    return tuple(k for k in numbers if isinstance(k, int))


def channels_of(image: ImageRecord) -> list[int] | None:
    """Return which channels of its file an image's nuclei were found in; None if it is not said."""
    channels = image.extra.get("channels")
    there = isinstance(channels, list) and channels and all(isinstance(k, int) for k in channels)
    return channels if there else None


class Listed:
    """The images of a file, to be found by the names that another one has for them.

    Parameters
    ----------
    records : sequence of ImageRecord
        The images.
    source : object
        What lists them, for messages.
    """

    def __init__(self, records: Sequence[ImageRecord], source: object) -> None:
        self.source = source
        self._by_name: dict[str, list[ImageRecord]] = {}
        for record in records:
            self._by_name.setdefault(record.file_name, []).append(record)
        self._names = Names((name, name) for name in self._by_name)
        texts = texts_of(records)
        self._by_id = {f"image {texts.get(record.id, record.id)}": record for record in records}

    def find_all(self, images: Iterable[ImageRecord], sizes: bool = True) -> dict[int, ImageRecord]:
        """Find the records of some images, by the ids that these have.

        Parameters
        ----------
        sizes : bool
            Whether they must be of the same size.

        Raises
        ------
        UserError
            If one is not listed, it cannot be told as which, two are listed as one, or one is
            listed with another size.
        """
        every = list(images)
        matches = self._matches(every)
        out: dict[int, ImageRecord] = {}
        taken: dict[int, ImageRecord] = {}
        for image in every:
            record = self._record(image, matches[image.file_name])
            if record.id in taken:
                raise ImageMismatchError(
                    f"{shown(image.file_name)} and {shown(taken[record.id].file_name)} are the "
                    f"same image of {self.source}, {shown(record.file_name)}: keep one of them"
                )
            if sizes and record.shape != image.shape:
                raise other_size(shown(image.file_name), image.shape, record.shape, self.source)
            taken[record.id], out[image.id] = image, record
        return out

    def unknown(self, images: Iterable[ImageRecord]) -> list[str]:
        """Return the names of those of some images that are not listed in any way."""
        return [
            name
            for name, match in self._matches(images).items()
            if match.value is None and not match.rivals and name not in self._by_id
        ]

    def _matches(self, images: Iterable[ImageRecord]) -> dict[str, Match[str]]:
        names = dict.fromkeys(image.file_name for image in images)
        return settled({name: self._names.find(name) for name in names})

    def _record(self, image: ImageRecord, match: Match[str]) -> ImageRecord:
        name = shown(image.file_name)
        if match.value is None:
            by_id = self._by_id.get(image.file_name)
            if by_id is not None and not match.rivals:
                return by_id
            raise ImageMismatchError(self._gap(image.file_name, match))
        found = self._by_name[match.value]
        same = [record for record in found if plane_of(record) == plane_of(image)] or found
        if len(same) > 1:
            raise ImageMismatchError(f"{self.source} lists the image {name} more than once")
        return same[0]

    def _gap(self, name: str, match: Match[str]) -> str:
        if not match.rivals:
            the = "" if name.startswith("image ") else "the image "  # as results have it
            return f"{self.source} does not list {the}{shown(name)}"
        others = [other for other in match.rivals if other != name]
        if name in match.rivals:
            return (
                f"two images are called {shown(last_of(name))}, {shown(name)} and "
                f"{listed(others)}, but {self.source} has only one of "
                "that name: they cannot be told apart"
            )
        return f"{self.source} does not say whether {shown(name)} is {' or '.join(others[:3])}"
