"""Broken entries of a file: refused, or left out or mended, counted and named."""

from __future__ import annotations

from pathlib import PurePath

from ..errors import FormatError
from ..wording import are, counted

NAMED = 10
"""Entries that a line names; of the others it gives the number."""


class Broken:
    """The broken entries of one kind in one file.

    Parameters
    ----------
    source : str
        Name of the file.
    remarks : list of str or None
        Takes a line on those that are left out, and one on those that are mended. None
        refuses the first one.
    kind : str
        What an entry is called.
    """

    def __init__(
        self, source: str, remarks: list[str] | None = None, kind: str = "annotation"
    ) -> None:
        self.source, self.kind = source, kind
        self._remarks = remarks
        self._left: dict[str, str] = {}
        self._mended: dict[str, str] = {}

    @property
    def strict(self) -> bool:
        """Whether the first broken entry is an error."""
        return self._remarks is None

    def leave_out(self, label: str, problem: str, place: str = "") -> None:
        """Leave an entry out.

        Parameters
        ----------
        label : str
            Its id, or ``number 3``.
        problem : str
            What is wrong: "its mask has no pixels", or a verb with what follows.
        place : str
            Where it lies.

        Raises
        ------
        UserError
            If broken entries are refused.
        """
        self._note(self._left, label, problem, place)

    def mend(self, label: str, problem: str, place: str = "") -> None:
        """Note that an entry was broken and is read all the same; see `leave_out`."""
        self._note(self._mended, label, problem, place)

    def _note(self, noted: dict[str, str], label: str, problem: str, place: str) -> None:
        if self.strict:
            name = f"{self.kind} {label}" + f" ({place})" * bool(place)
            joint = ": " if problem.startswith(("it ", "its ")) else " "
            raise FormatError(f"{self.source}: {name}{joint}{problem}; fix or remove it")
        noted.setdefault(label, problem)

    def tell(self, total: int, needed: bool = True) -> None:
        """Say what was left out and what was mended of `total` entries.

        Raises
        ------
        UserError
            If none of them is left, and one is `needed`.
        """
        if self._remarks is None or not (self._left or self._mended):
            return
        if needed and self._left and len(self._left) >= total:
            head = f"its only {self.kind} cannot be used"
            if total > 1:
                head = f"none of its {counted(total, self.kind)} can be used"
            raise FormatError(f"{self.source}: {head}: {_listed(self._left)}")
        name = PurePath(self.source).name
        for noted, operation in ((self._left, "left out"), (self._mended, "repaired")):
            if noted:
                self._remarks.append(
                    f"{name}: {len(noted):,} of {counted(total, self.kind)} "
                    f"{are(len(noted))} {operation}: {_listed(noted)}."
                )


def _listed(noted: dict[str, str]) -> str:
    """Name the first entries, those with the same problem together, and count the others."""
    groups: dict[str, list[str]] = {}
    for label, problem in list(noted.items())[:NAMED]:
        groups.setdefault(problem, []).append(label)
    parts = [f"{', '.join(labels)} ({problem})" for problem, labels in groups.items()]
    more = len(noted) - NAMED
    return "; ".join(parts) + (f"; and {more:,} more" if more > 0 else "")
