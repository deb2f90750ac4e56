"""`Records`: which records the images of a viewer have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image

from ...formats.image_names import Names, last_of
from ...journal.naming import part_of_channels
from ..layers.origin import Origin
from ..layers.record import Record
from ..layers.source import shape_of
from .openers import file_of


class Records:
    """The records of each image layer, the one in use first.

    An image has one, and one more for each shape of review layer that a choice of channels
    has led to.
    """

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Image, list[Record]] = WeakKeyDictionary()
        self._sought: WeakSet[Record] = WeakSet()

    def __iter__(self) -> Iterator[Record]:
        return (record for records in list(self._of.values()) for record in records)

    def all_of(self, image: Image | None) -> list[Record]:
        """Return all records of an image."""
        return list(self._of.get(image, ())) if image is not None else []

    def of(self, image: Image | None) -> Record | None:
        """Return the record of an image that is in use."""
        return next(iter(self.all_of(image)), None)

    def of_shape(self, image: Image, shape: tuple[int, ...]) -> Record | None:
        """Return the record of an image for a review layer of this shape."""
        return next((r for r in self.all_of(image) if r.layer_shape == shape), None)

    def image_of(self, record: Record) -> Image | None:
        """Return the image that a record is of."""
        return next((i for i, records in self._of.items() if record in records), None)

    def use(self, image: Image, record: Record) -> None:
        """Make a record the one in use, added if it is new."""
        self._of[image] = [record, *(r for r in self.all_of(image) if r is not record)]

    def add(self, image: Image, record: Record) -> None:
        """Have an image have one more record, which is not in use."""
        self._of[image] = [*self.all_of(image), record]

    def forget(self, image: Image) -> list[Record]:
        """Take all records of an image out, and return them."""
        return self._of.pop(image, [])

    def find_image(self, record: Record, layers: Iterable[Any]) -> Image | None:
        """Return the image of a record; one opened apart is found by file, size and channel."""
        image = self.image_of(record)
        if image is None:
            self._sought.add(record)
            there = [layer for layer in layers if self._fits(layer, record)]
            same = [layer for layer in there if _is_of_file(layer, record)]
            image = _of_channel(same, record) if same else self._called(record, there)
            if image is not None:
                self.use(image, record)
        return image

    def _fits(self, image: Any, record: Record) -> bool:
        """Whether a layer is an image without a record, of the size that this one has."""
        return (
            isinstance(image, Image)
            and image not in self._of
            and shape_of(image)[-len(record.layer_shape) :] == record.layer_shape
            and not _is_of_another_file(image, record)
        )

    def _called(self, record: Record, images: Sequence[Image]) -> Image | None:
        """Return the one of some images that is called as a record says, if that is sure."""
        called: dict[str, list[Image]] = {}
        for image in images:
            called.setdefault(str(image.source.path or image.name), []).append(image)
        named = [(name, name) for name in called]
        found = Names(named, strict=True).find(record.file_name)
        last = last_of(record.file_name)
        alone = all(last_of(r.file_name) != last for r in self._sought if r is not record)
        if found.value is None and not found.rivals and alone:  # it may have been moved
            found = Names(named).find(record.file_name)
        return None if found.value is None else _of_channel(called[found.value], record)


def _is_of_another_file(image: Image, record: Record) -> bool:
    file = file_of(image)
    known = file is not None and record.file is not None and record.file.exists()
    return known and not _is_of_file(image, record)


def _is_of_file(image: Image, record: Record) -> bool:
    file = file_of(image)
    if file is None or record.file is None:
        return False
    with suppress(OSError):
        return file == record.file or file.samefile(record.file)
    return False


def _of_channel(images: list[Image], record: Record) -> Image | None:
    """Choose among the layers of a file the one of the channel that a record is of."""
    channels = tuple(record.extra.get("channels") or ())
    if len(images) < 2 or not channels:
        return next(iter(images), None)
    part, first = part_of_channels(channels), (0,) * len(record.stack)
    origins = (Origin(record.layer_shape, file_of(x), x, lambda: images) for x in images)
    found = [x for x, o in zip(images, origins, strict=True) if o.address(first).part == part]
    return next(iter(found), None)
