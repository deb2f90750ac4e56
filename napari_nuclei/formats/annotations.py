"""Annotations of COCO files → nuclei, and areas to ignore."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from ..masks import Mask
from ..masks.box import Box
from ..nuclei import Crowd, ImageRecord, Kind, Nuclei, Nucleus, Origin, State
from .broken import Broken
from .categories import Names
from .numbers import number, whole
from .segmentation import read_all

NAMESPACE = "napari_nuclei"
MAX_ID = 2**31 - 1

Row = dict[str, Any]


def get(value: Any, key: str) -> Any:
    """Return what an object has under a key; None for what is no object."""
    return value.get(key) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class ImageState:
    """What this project's files say of an image's review; see `Nuclei`."""

    next_id: int = 1
    threshold: float = 0.0
    complete: tuple[Box, ...] = ()


def state_of(row: Row) -> ImageState:
    """Read the state of an image; raises `TypeError` or `ValueError` if it is damaged."""
    next_id = int(row.get("next_id", 1))
    threshold = float(row.get("threshold", 0.0))
    complete = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in row.get("complete", ()))
    if not (abs(threshold) < math.inf and 0 < next_id <= MAX_ID + 1):
        raise ValueError("out of range")
    return ImageState(next_id, threshold, complete)


@dataclass(slots=True)
class Reader:
    """Reads the annotations of a file, image by image.

    Attributes
    ----------
    source : str
        Name of the file.
    names : Names
        Its categories.
    broken : Broken
        Takes the annotations that are broken.
    """

    source: str
    names: Names
    broken: Broken
    _read: int = 0
    _crowds: int = 0
    _called_crowds: list[str] = field(default_factory=list)

    def nuclei(
        self, image: ImageRecord, rows: list[tuple[str, Row]], state: ImageState | None
    ) -> Nuclei:
        """Read one image's annotations, each with its name for messages."""
        state = state or ImageState()
        place = f"image {image.file_name}"
        ids = self._ids(rows, place)
        free = max([state.next_id, *(i + 1 for i in ids if i)])
        mended: dict[int, str] | None = None if self.broken.strict else {}
        masks = read_all([row.get("segmentation") for _, row in rows], image.shape, mended)
        nuclei: list[Nucleus] = []
        crowds: list[Crowd] = []
        for k, ((label, row), mask, id) in enumerate(zip(rows, masks, ids, strict=True)):
            if isinstance(mask, str) or not (mask or NAMESPACE in row):
                self.broken.leave_out(label, _without_mask(mask, row), place)
                continue
            if mended and k in mended:
                self.broken.mend(label, mended[k], place)
            category = self._category(row, label, place)
            if self._is_crowd(row, label):
                crowds.append(Crowd(mask, category))
                continue
            if id is None:
                id, free = free, free + 1
            nuclei.append(self._nucleus(id, mask, row, image, label, category))
        self._read += len(nuclei)
        self._crowds += len(crowds)
        return Nuclei(image.shape, nuclei, state.threshold, state.complete, free, tuple(crowds))

    def _ids(self, rows: list[tuple[str, Row]], place: str) -> list[int | None]:
        """Return the ids of this project's own nuclei, None for all others."""
        seen: set[int] = set()
        out: list[int | None] = []
        for label, row in rows:
            said = get(row.get(NAMESPACE), "id")
            id = None if said is None else whole(said)
            if id is None or not 0 < id <= MAX_ID or id in seen:
                if said is not None:
                    what = "has the same id as another nucleus" if id in seen else "has a wrong id"
                    self.broken.mend(label, f"{what}, {said!r}", place)
                id = None
            else:
                seen.add(id)
            out.append(id)
        return out

    def _category(self, row: Row, label: str, place: str) -> str:
        name, problem = self.names.of(row.get("category_id"))
        if problem:
            self.broken.mend(label, problem, place)
        return name

    def _is_crowd(self, row: Row, label: str) -> bool:
        said = row.get("iscrowd")
        if not said:
            return False
        if whole(said) != 1 and said is not True:
            return False
        # CVAT and Datumaro give every mask this mark; of theirs, attributes tell the crowds.
        attributes = row.get("attributes")
        if isinstance(attributes, dict) and attributes.get("is_crowd") is not True:
            self._called_crowds.append(label)
            return False
        return True

    def tell_of_crowds(self, remarks: list[str] | None) -> None:
        """Say what `iscrowd` was taken for, where a person may have meant something else."""
        if remarks is None:
            return
        name = PurePath(self.source).name
        if called := len(self._called_crowds):
            what = (
                "1 mask is read as a nucleus"
                if called == 1
                else f"{called:,} masks are read as nuclei"
            )
            remarks.append(
                f"{name}: {what} despite iscrowd 1, which CVAT and Datumaro give to every mask."
            )
        if self._crowds and not self._read:
            remarks.append(
                f"{name}: all annotations have iscrowd 1, so they are areas to ignore, not nuclei: "
                "set it to 0 if they are."
            )

    def _nucleus(
        self, id: int, mask: Mask, row: Row, image: ImageRecord, label: str, category: str
    ) -> Nucleus:
        place, score = f"image {image.file_name}", row.get("score")
        if type(score) is not float or not 0 <= score <= 1:  # nearly all are
            score = self._score(score, label, place)
        own = row.get(NAMESPACE)
        if own is not None:
            try:
                origin = _origin(own["origin"], mask, image)
                state, order = State(own["state"]), int(own.get("order", 0))
                note = str(own.get("note", ""))
                return Nucleus(id, mask, score, state, origin, order, note, category)
            except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
                self.broken.mend(label, f"its object {NAMESPACE!r} is damaged", place)
        origin = Origin(Kind.IMPORT, PurePath(self.source).name)
        return Nucleus(id, mask, score, origin=origin, category=category)

    def _score(self, said: Any, label: str, place: str) -> float:
        if said is None:
            return 1.0
        score = number(said)
        if score is None:
            self.broken.mend(label, f"its score {said!r} is not a number from 0 to 1: 1", place)
            return 1.0
        if isinstance(said, str):
            self.broken.mend(label, "its score is text", place)
        if not 0 <= score <= 1:
            self.broken.mend(
                label, f"its score {said!r} is not a number from 0 to 1: clipped", place
            )
        return min(max(score, 0.0), 1.0)


def _without_mask(problem: Mask | str, row: Row) -> str:
    """Say why an annotation has no mask."""
    if isinstance(problem, Mask):
        return "its mask has no pixels"
    is_bare = not row.get("segmentation") and isinstance(row.get("bbox"), list)
    return "it has a box but no mask" if is_bare else problem


def _origin(said: Row, mask: Mask, image: ImageRecord) -> Origin:
    kind = Kind(said["kind"])
    predicted: Mask | None = mask if kind is Kind.MODEL else None
    if "predicted" in said:
        (read,) = read_all([said["predicted"]], image.shape) if said["predicted"] else (None,)
        if isinstance(read, str):
            raise ValueError(read)
        predicted = read
    parents = tuple(int(i) for i in said.get("parents", ()))
    return Origin(kind, str(said.get("model", "")), predicted, parents)
