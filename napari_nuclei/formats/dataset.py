"""`DataSet`: images and their nuclei, as files hold them.

Here: the values. Not here: reading and writing them (`coco.py` and its neighbours).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..nuclei import Nuclei
from ..wording import counted
from .categories import DEFAULT, Category, listed


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What a data set says of one image.

    Attributes
    ----------
    id : int
        Its number in the file.
    file_name : str
        As the file has it, with folders if there are any.
    height, width : int
        In px.
    modality : str
        Kind of image (``"fluorescence"``, …), or empty.
    extra : mapping
        All other keys, kept as they are.
    """

    id: int
    file_name: str
    height: int
    width: int
    modality: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.height, self.width

    @property
    def plane(self) -> int | None:
        """Which plane of its file it is, in the file's order; None where it does not say."""
        at, stack = (_numbers(self.extra.get(key)) for key in ("plane", "stack"))
        if len(at) == 1:
            return at[0]
        if not at or len(at) != len(stack):
            return None
        number = 0
        for k, size in zip(at, stack, strict=True):
            number = number * size + k
        return number

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of its file that its nuclei are of; () where it does not say."""
        return tuple(_numbers(self.extra.get("channels")))

    def to_json(self) -> dict[str, Any]:
        """Return the record as COCO writes it."""
        out = {"id": self.id, "file_name": self.file_name}
        out |= {"height": self.height, "width": self.width}
        return out | ({"modality": self.modality} if self.modality else {}) | dict(self.extra)


def _numbers(value: Any) -> list[int]:
    """Return a list of counts as it is, and nothing for all else."""
    is_list = isinstance(value, list) and all(type(k) is int and k >= 0 for k in value)
    return list(value) if is_list else []


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
