"""`Records`: which records the images of a viewer have.

Here: finding the record of an image, and the image of a record. Not here: layers that show
them (`session.py`), what a record is (`record.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image

from .record import Record
from .source import name_of, shape_of


class Records:
    """The records of each image layer, the one in use first.

    An image has one, and one more for each shape of review layer that a choice of channels
    has led to.
    """

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Image, list[Record]] = WeakKeyDictionary()

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
        """Return the image of a record; finds it by name and size if it was opened apart."""
        image = self.image_of(record)
        if image is None:
            image = next((layer for layer in layers if self._fits(layer, record)), None)
            if image is not None:
                self.use(image, record)
        return image

    def _fits(self, image: Any, record: Record) -> bool:
        """Whether a layer is an image without a record that this one may be of."""
        return (
            isinstance(image, Image)
            and image not in self._of
            and shape_of(image)[-len(record.layer_shape) :] == record.layer_shape
            and Path(name_of(image)).stem == Path(record.file_name).stem
        )
