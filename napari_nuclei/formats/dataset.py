"""`DataSet`: images and their nuclei, as files hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..nuclei import ImageRecord, Nuclei
from ..wording import counted
from .categories import DEFAULT, Category, listed


@dataclass(slots=True)
class DataSet:
    """Images and their nuclei.

    Attributes
    ----------
    images : list of ImageRecord
        With different ids.
    nuclei : dict of int to Nuclei
        For each image id; an image without an entry has none.
    about : dict
        The file's other top-level keys (`info`, `licenses`, …), kept as they are.
    categories : tuple of Category
        Kinds of nuclei, as a file lists them; see `all_categories`.
    foreign : bool
        Read from another tool's file, which does not say what has been reviewed.
    """

    images: list[ImageRecord]
    nuclei: dict[int, Nuclei]
    about: dict[str, Any] = field(default_factory=dict)
    categories: tuple[Category, ...] = (DEFAULT,)
    foreign: bool = field(default=False, compare=False)

    def __iter__(self) -> Iterator[tuple[ImageRecord, Nuclei]]:
        return ((image, self.of(image)) for image in self.images)

    def __repr__(self) -> str:
        shown = sum(1 for _, nuclei in self for _ in nuclei.shown())
        return f"<DataSet: {counted(len(self.images), 'image')}, {counted(shown, 'nucleus')}>"

    def of(self, image: ImageRecord) -> Nuclei:
        """Return an image's nuclei."""
        found = self.nuclei.get(image.id)
        return Nuclei(image.shape, image=image) if found is None else found

    @property
    def in_use(self) -> list[str]:
        """Names of the categories that nuclei and ignored areas have, in order."""
        of = (self.of(image) for image in self.images)
        return list(dict.fromkeys(n.category for each in of for n in (*each, *each.crowds)))

    @property
    def all_categories(self) -> tuple[Category, ...]:
        """The categories that are listed, and those in use that are not."""
        return listed(self.categories, self.in_use)

    @property
    def crowds(self) -> int:
        """How many areas are to be ignored."""
        return sum(len(self.of(image).crowds) for image in self.images)
