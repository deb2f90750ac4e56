"""Fix similar nuclei: what looks to the detector like the nuclei that a person has treated.

No torch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import EditError
from ..masks import Mask
from ..nuclei import Nuclei, Nucleus, State
from ..nuclei.edit import Edit
from ..nuclei.edits import accept, delete, grow, shrink
from ..progress import Progress
from .edits import promote

if TYPE_CHECKING:
    from .prompter import Prompter

Operation = Literal["delete", "accept", "promote", "grow", "shrink"]

OPERATIONS: dict[str, Operation] = {
    "delete": "delete",
    "reject": "delete",
    "accept": "accept",
    "promote": "promote",
    "grow": "grow",
    "nudge out": "grow",
    "shrink": "shrink",
    "nudge in": "shrink",
}
"""What is done to similar nuclei after an edit of each of these names."""

MAX_NUCLEI_AT_ONCE = 256
"""Nuclei whose features are asked for at once."""


@dataclass(slots=True)
class Features:
    """The features of nuclei, by id; a nucleus whose mask has changed is asked for anew.

    Notes
    -----
    20,000 nuclei take 15 MB.
    """

    _at: dict[int, tuple[Mask, int]] = field(default_factory=dict)
    _rows: list[NDArray[np.float16]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._at)

    def missing(self, rows: Iterable[Nucleus]) -> list[Nucleus]:
        """Return those nuclei of which nothing is known, or no longer."""
        return [n for n in rows if n.id not in self._at or self._at[n.id][0] is not said(n)]

    def add(self, rows: Sequence[Nucleus], features: NDArray[np.float32]) -> None:
        """Keep the (N, F) features of N nuclei."""
        for nucleus, row in zip(rows, features, strict=True):
            self._at[nucleus.id] = (said(nucleus), len(self._rows))
            self._rows.append(row.astype(np.float16))

    def of(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the (N, F) features of nuclei that are known."""
        return np.array([self._rows[self._at[i][1]] for i in ids], np.float32)

    def __contains__(self, id: object) -> bool:
        return id in self._at


def said(nucleus: Nucleus) -> Mask:
    """Return the mask by which a nucleus is compared: as its model had drawn it."""
    return nucleus.origin.mask or nucleus.mask


def learn_steps(
    prompter: Prompter, nuclei: Iterable[Nucleus], features: Features
) -> Generator[Progress, None, None]:
    """Ask the detector for the features of nuclei, tile by tile, where they are missing."""
    wanted = features.missing(nuclei)
    # Neighbours together, so that each tile is computed once.
    wanted.sort(key=lambda n: prompter.place_of(said(n).box))
    for start in range(0, len(wanted), MAX_NUCLEI_AT_ONCE):
        yield Progress(start, len(wanted), "Comparing nuclei")
        some = wanted[start : start + MAX_NUCLEI_AT_ONCE]
        features.add(some, prompter.judge([said(n).box for n in some]).features)


@dataclass(frozen=True, slots=True)
class Similar:
    """What could be treated like the examples.

    Attributes
    ----------
    operation : Operation
        What would be done to them.
    ids : tuple of int
        The most similar first; all that the operation makes sense for.
    likeness : (N,) float32
        0…1, falling: how sure it is that they are similar.
    likely : int
        How many are similar, by the look of it: where a slider begins.
    """

    operation: Operation
    ids: tuple[int, ...]
    likeness: NDArray[np.float32]
    likely: int


def find_similar(
    nuclei: Nuclei, features: Features, examples: Sequence[int], operation: Operation
) -> Similar:
    """Rank nuclei by their likeness to examples.

    Parameters
    ----------
    examples : sequence of int
        Ids of nuclei that a person has treated so; also of deleted ones, which are on record.
    operation : Operation
        What was done to them.

    Raises
    ------
    EditError
        If nothing is known of the examples, or there is nothing else to treat.
    """
    known = [i for i in examples if i in features]
    if not known:
        raise EditError("Delete, accept or promote one first: then similar ones can be found.")
    chosen = set(examples)
    others = [n for n in nuclei if n.id in features and n.id not in chosen]
    open_to = [n for n in others if _is_open(nuclei, n, operation)]
    if not open_to:
        raise EditError("There is no other nucleus to apply this to.")
    contrast = [n.id for n in others if n.state is not State.PROPOSED and not _alike(n, operation)]
    ids = [n.id for n in open_to]
    values = _likeness(features.of(known), features.of(contrast), features.of(ids))
    order = np.argsort(-values, kind="stable")
    ranked = tuple(ids[k] for k in order.tolist())
    return Similar(operation, ranked, values[order], int((values >= 0.5).sum()))


def _is_open(nuclei: Nuclei, nucleus: Nucleus, operation: Operation) -> bool:
    """Whether an operation makes sense for a nucleus that nobody has treated yet."""
    if nucleus.touched:
        return False
    return nuclei.is_shown(nucleus) != (operation == "promote")


def _alike(nucleus: Nucleus, operation: Operation) -> bool:
    """Whether a person has already said of a nucleus what the operation would say."""
    rejected = nucleus.state is State.REJECTED
    return rejected if operation == "delete" else not rejected


def _likeness(
    examples: NDArray[np.float32], contrast: NDArray[np.float32], all_: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compare with the examples' nearest, against what is usual, or was treated otherwise.

    Features are whitened by their spread over all nuclei of the image, so that what all of
    them share does not count.
    """
    together = np.concatenate([all_, examples])
    mean, spread = together.mean(0), together.std(0) + 1e-3
    unit = [_unit((part - mean) / spread) for part in (examples, contrast, all_) if len(part)]
    near = (unit[-1] @ unit[0].T).max(1)
    against = (unit[-1] @ unit[1].T).max(1) if len(contrast) else np.zeros(len(all_), np.float32)
    # Two alike have a cosine of about 0.5 or more, unlike ones about 0.
    values: NDArray[np.float32] = 1 / (1 + np.exp(-8 * (near - np.maximum(against, 0.4))))
    return values


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    out: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return out


def fix(nuclei: Nuclei, similar: Similar, count: int) -> Edit:
    """Do to the `count` most similar what was done to the examples, in one edit."""
    ids = [i for i in similar.ids[:count] if i in nuclei]
    if not ids:
        raise EditError("Choose at least one nucleus to apply this to.")
    make = {"delete": delete, "accept": accept, "promote": promote, "grow": grow, "shrink": shrink}
    edit = make[similar.operation](nuclei, ids)
    return replace(edit, name=f"{edit.name} similar")


def examples_of(done: Sequence[Edit], most: int = 20) -> tuple[list[int], Operation | None]:
    """Find what a person has done lately, and to which nuclei.

    Parameters
    ----------
    done : sequence of Edit
        The history, oldest first.

    Returns
    -------
    list of int, Operation or None
        Ids of the last edits that are alike; nothing where the last one is no example.
    """
    operation: Operation | None = None
    ids: list[int] = []
    for k in range(1, min(most, len(done)) + 1):
        this = OPERATIONS.get(done[-k].name)
        if this is None or (operation is not None and this != operation):
            break
        operation = this
        ids += [n.id for n in done[-k].before]
    return ids, operation
