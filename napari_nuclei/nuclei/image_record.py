"""`ImageRecord`: what is known of an image whose nuclei a file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
