"""`Nucleus`, and `Crowd`, where nobody has told nuclei apart: values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..masks import Mask

NUCLEUS = "nucleus"
"""The category of what nobody has given another one."""


class State(StrEnum):
    """What a person has said of a nucleus."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Kind(StrEnum):
    """Where a nucleus came from."""

    MODEL = "model"
    HAND = "hand"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Origin:
    """How a nucleus came to be; it stays what it was when the nucleus is corrected.

    Attributes
    ----------
    kind : Kind
        Model, hand or import.
    model : str
        Name of the model, or of the file it was imported from.
    mask : Mask or None
        The mask as the model predicted it.
    parents : tuple of int
        Ids of the nuclei that it was merged or split from.
    """

    kind: Kind = Kind.HAND
    model: str = ""
    mask: Mask | None = None
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Nucleus:
    """One nucleus.

    Attributes
    ----------
    id : int
        Never used twice in an image.
    mask : Mask
        All of its pixels, seen or hidden below another nucleus.
    score : float
        0…1; 1 where a person drew it.
    state : State
        Proposed, accepted or rejected.
    origin : Origin
        Where it came from.
    order : int
        0 for what a model drew. Where nuclei overlap, the higher one is drawn on top.
    note : str
        A person's remark.
    category : str
        Name of its category; a `DataSet` lists them with their ids and colours.
    """

    id: int
    mask: Mask
    score: float = 1.0
    state: State = State.PROPOSED
    origin: Origin = Origin()
    order: int = 0
    note: str = ""
    category: str = NUCLEUS

    @property
    def touched(self) -> bool:
        """Whether a person has drawn, changed, accepted, rejected or remarked on it."""
        return (
            self.state is not State.PROPOSED
            or self.origin.kind is not Kind.MODEL
            or bool(self.note)
            or self.corrected
        )

    @property
    def corrected(self) -> bool:
        """Whether its mask is no longer the one that the model predicted."""
        said = self.origin.mask
        return self.origin.kind is Kind.MODEL and self.mask is not said and self.mask != said

    @property
    def rank(self) -> tuple[int, float, int]:
        """Drawing order: by score, then those drawn or changed by a person."""
        return self.order, self.score, self.id


@dataclass(frozen=True, slots=True)
class Crowd:
    """An area whose nuclei nobody has told apart, COCO's `iscrowd`: ignored, not a nucleus.

    Attributes
    ----------
    mask : Mask
        Its pixels.
    category : str
        Of what it holds.
    """

    mask: Mask
    category: str = NUCLEUS
