"""`Counts` and `Standing`: how far the review of an image is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from ..wording import counted
from .nuclei import Nuclei
from .nucleus import Kind, Nucleus, State


@dataclass(slots=True)
class Counts:
    """Numbers of nuclei.

    Attributes
    ----------
    accepted, rejected, proposed : int
        By what a person has said of them.
    hidden : int
        How many of the proposed ones are below the threshold.
    as_is : int
        How many of the accepted ones are as the model predicted or the file said.
    corrected, added : int
        How many are no longer as predicted, and how many a person has drawn; rejected ones
        do not count.
    noted : int
        How many carry a remark.
    """

    accepted: int = 0
    rejected: int = 0
    proposed: int = 0
    hidden: int = 0
    as_is: int = 0
    corrected: int = 0
    added: int = 0
    noted: int = 0

    @classmethod
    def of(cls, nuclei: Nuclei) -> Counts:
        """Count all nuclei of an image."""
        out = cls()
        out.add(nuclei, nuclei)
        return out

    def add(self, rows: Iterable[Nucleus], of: Nuclei, sign: int = 1) -> None:
        """Count some more nuclei, or (`sign` −1) some less."""
        for n in rows:
            if n.state is State.PROPOSED:
                self.proposed += sign
                if n.score < of.threshold and not n.touched:
                    self.hidden += sign
            elif n.state is State.ACCEPTED:
                self.accepted += sign
            else:
                self.rejected += sign
            if n.state is not State.REJECTED:
                drawn, corrected = n.origin.kind is Kind.HAND, n.corrected
                self.added += sign * drawn
                self.corrected += sign * corrected
                self.as_is += sign * (n.state is State.ACCEPTED and not (drawn or corrected))
            if n.note:
                self.noted += sign

    @property
    def shown(self) -> int:
        """How many nuclei are seen and exported."""
        return self.accepted + self.proposed - self.hidden

    @property
    def remaining(self) -> int:
        """How many are seen of which a person has not said anything yet."""
        return self.proposed - self.hidden

    def summary(self) -> str:
        """Say it in one line, for a person."""
        head = counted(self.shown, "nucleus")
        numbers = {
            "accepted": self.as_is,
            "corrected": self.corrected,
            "added": self.added,
            "rejected": self.rejected,
        }
        return " · ".join([head, *(f"{n:,} {name}" for name, n in numbers.items() if n)])

    @property
    def begun(self) -> bool:
        """Whether a person has done anything to them."""
        return bool(self.accepted or self.rejected or self.corrected or self.added or self.noted)


def is_complete(nuclei: Nuclei) -> bool:
    """Whether a person has said that the whole image is complete."""
    height, width = nuclei.shape
    return any(
        y0 <= 0 and x0 <= 0 and y1 >= height and x1 >= width for y0, x0, y1, x1 in nuclei.complete
    )


class Stage(StrEnum):
    """How far the review of an image is."""

    UNTOUCHED = "untouched"
    BEGUN = "begun"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the review of an image is, all of its planes taken together.

    Attributes
    ----------
    stage : Stage
        Complete where a person has said so of the whole image; untouched as long as nobody
        has done anything, even if it is segmented.
    counts : Counts
        Numbers of nuclei.
    """

    stage: Stage = Stage.UNTOUCHED
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, nuclei: Nuclei, counts: Counts | None = None) -> Standing:
        """Judge one plane."""
        counts = Counts.of(nuclei) if counts is None else counts
        begun = counts.begun or bool(nuclei.complete)
        stage = Stage.BEGUN if begun else Stage.UNTOUCHED
        return cls(Stage.COMPLETE if is_complete(nuclei) else stage, counts)

    @classmethod
    def together(cls, planes: Collection[Standing], total: int) -> Standing:
        """Judge an image of `total` planes, of which these have been looked at."""
        whole = Counts()
        for plane in planes:
            for name, value in asdict(plane.counts).items():
                setattr(whole, name, getattr(whole, name) + value)
        stages = {plane.stage for plane in planes}
        if stages == {Stage.COMPLETE} and len(planes) == total:
            return cls(Stage.COMPLETE, whole)
        return cls(Stage.UNTOUCHED if stages <= {Stage.UNTOUCHED} else Stage.BEGUN, whole)
