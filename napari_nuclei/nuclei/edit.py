"""`Edit`: one change of an image's nuclei, as a value that can be undone."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..errors import EditError
from ..masks import Mask
from ..masks.box import Box
from .nuclei import Nuclei
from .nucleus import Crowd, Kind, Nucleus, State


def login_name() -> str:
    """Return the name of the person at this computer; empty if it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change.

    Attributes
    ----------
    name : str
        What was done: ``"split"``, ``"accept"``, …
    before, after : tuple of Nucleus
        The nuclei that it takes away, and those that it puts in their place.
    threshold : (float, float) or None
        The score threshold before and after, if it changes.
    complete : (tuple of Box, tuple of Box) or None
        The complete areas before and after, if they change.
    crowds : (tuple of Crowd, tuple of Crowd) or None
        The ignored areas before and after, if they change.
    time : float
        Seconds since the epoch.
    author : str
        Login name of the person.
    """

    name: str
    before: tuple[Nucleus, ...] = ()
    after: tuple[Nucleus, ...] = ()
    threshold: tuple[float, float] | None = None
    complete: tuple[tuple[Box, ...], tuple[Box, ...]] | None = None
    time: float = field(default_factory=time.time)
    author: str = field(default_factory=login_name)
    crowds: tuple[tuple[Crowd, ...], tuple[Crowd, ...]] | None = None

    def apply_to(self, nuclei: Nuclei) -> None:
        """Do it to the nuclei that it was made for.

        Raises
        ------
        ValueError
            If they are not in the state that it starts from; then nothing is changed.
        """
        try:
            nuclei.replace(self.before, self.after)
        except ValueError:
            raise ValueError(
                f"the edit {self.name!r} does not fit the nuclei as they are"
            ) from None
        if self.threshold is not None:
            nuclei.threshold = self.threshold[1]
        if self.complete is not None:
            nuclei.complete = self.complete[1]
        if self.crowds is not None:
            nuclei.crowds = self.crowds[1]

    def inverse(self) -> Edit:
        """Return the edit that takes this one back."""
        return replace(
            self,
            before=self.after,
            after=self.before,
            threshold=self.threshold and self.threshold[::-1],
            complete=self.complete and self.complete[::-1],
            crowds=self.crowds and self.crowds[::-1],
        )

    def then(self, edit: Edit) -> Edit | None:
        """Return this edit and one that goes on with it as one; None if it does not.

        One goes on with the other where both move the threshold, or change the same nuclei.
        """
        areas = (self.complete, edit.complete, self.crowds, edit.crowds)
        if self.name != edit.name or any(each is not None for each in areas):
            return None
        if self.after != edit.before or (self.threshold is None) != (edit.threshold is None):
            return None
        if self.threshold is None or edit.threshold is None:
            return replace(edit, before=self.before)
        return replace(edit, before=self.before, threshold=(self.threshold[0], edit.threshold[1]))

    @property
    def ids(self) -> set[int]:
        """Ids of all nuclei that it touches."""
        return {n.id for n in (*self.before, *self.after)}

    @property
    def boxes(self) -> list[Box]:
        """Boxes of the masks that it changes, before and after."""
        return [n.mask.box for n in {*self.before} ^ {*self.after} if n.mask]

    def summary(self) -> str:
        """Say in a few words what was done, as ``split 212 into 212 and 498``."""
        old = [n.id for n in self.before]
        new = [n.id for n in self.after]
        if self.threshold is not None and not old and not new:
            moved = f"{self.threshold[0]:.2f} → {self.threshold[1]:.2f}"
            return (
                f"{self.name} {moved}"
                if self.name == "threshold"
                else f"{self.name}: threshold {moved}"
            )
        if not old or set(old) == set(new):
            return f"{self.name} {_listed(new)}".strip()
        if not new:
            return f"{self.name} {_listed(old)}"
        return f"{self.name} {_listed(old)} into {_listed(new)}"


def _listed(ids: list[int]) -> str:
    if len(ids) > 3:
        return f"{len(ids)} nuclei"
    return " and ".join(
        [", ".join(map(str, ids[:-1]))] * (len(ids) > 1) + [str(i) for i in ids[-1:]]
    )


def difference(old: Nuclei, new: Nuclei, name: str = "reload") -> Edit:
    """Return the edit that leads from one state of an image's nuclei to another."""
    rows = {n.id: n for n in new}
    before = tuple(n for n in old if rows.get(n.id) != n)
    after = tuple(n for n in new if n.id not in old or old[n.id] != n)
    threshold = (old.threshold, new.threshold) if old.threshold != new.threshold else None
    complete = (old.complete, new.complete) if old.complete != new.complete else None
    return Edit(name, before, after, threshold, complete)


# -- for those who make them -----------------------------------------------------------


def require(nuclei: Nuclei, ids: Iterable[int], what: str) -> list[Nucleus]:
    """Return those of these nuclei that there are; `what` is to be done with them."""
    rows = [nuclei[i] for i in dict.fromkeys(ids) if i in nuclei]
    if not rows:
        raise EditError(f"No nucleus to {what} here. Point at one or select one.")
    return rows


def changed(nuclei: Nuclei, nucleus: Nucleus, mask: Mask) -> Nucleus:
    """Give a nucleus another mask; whoever asks for that has looked at it."""
    mask = mask.clip(nuclei.shape)
    if not mask:
        raise EditError("Nothing of the nucleus would be left. Delete it instead.")
    return replace(nucleus, mask=mask, state=State.ACCEPTED)


def on_record(rows: Iterable[Nucleus]) -> list[Nucleus]:
    """Return what stays of nuclei that go: what a model had said, as rejected."""
    return [
        replace(n, state=State.REJECTED, mask=n.origin.mask or n.mask)
        for n in rows
        if n.origin.kind is Kind.MODEL
    ]
