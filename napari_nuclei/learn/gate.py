"""The gate: whether a new model may take the place of the old one, and why.

No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..masks import Mask
from ..masks.box import Box
from .agreement import Agreement
from .locked import Tile
from .reviewed import Reviewed
from .tally import Numbers, Spread, matched

SURE = 0.8
"""Share of the draws in which a model has to be better to be called so."""

FORGOTTEN = 0.03
"""What a figure may lose on the sample set, if that is not noise."""

NAMES = {"f1_50": "F1", "ap50": "AP50", "recall50": "recall", "precision50": "precision"}
CHECKED = ("f1_50", "ap50")
"""The figures that decide; the others explain."""

Found = Sequence[tuple[Mask, float]]
Spreads = Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the new model is accepted, and each reason in a line."""

    accepted: bool
    reasons: tuple[str, ...]


def judge(
    locked: Spreads, sample: Mapping[str, Spreads], labels: Agreement | None = None
) -> Verdict:
    """Judge a new model.

    Parameters
    ----------
    locked : mapping of str to Spread
        The figures on the locked tiles.
    sample : mapping of str to mapping
        The same on the bundled sample set, by kind of image.
    labels : Agreement, optional
        Whether what was learned from is as good as what is judged by.

    Notes
    -----
    Refused is what is worse beyond noise, what has lost what it knew, and what is not shown to
    be better: changing models costs a reviewer more than it gives, then. To be better takes a
    higher AP50, which no threshold can give, and an F1 that is not likely lower. A higher F1
    alone may come from the new threshold, and that is had without a new model, by moving the
    slider.
    """
    against = [
        f"{NAMES[name]} {_moved(s)} on the locked tiles, which is not noise ({_interval(s)})"
        for name, s in ((name, locked[name]) for name in CHECKED)
        if s.gain_range[1] < 0
    ]
    against += [
        f"{NAMES[name]} {_moved(s)} on the bundled {kind} images: it has lost what it knew"
        for kind, figures in sample.items()
        for name, s in ((name, figures[name]) for name in CHECKED)
        if s.gain < -FORGOTTEN and s.gain_range[1] < 0
    ]
    if labels is not None and labels.doubtful:
        against.append(labels.summary)
    f1, ap50 = (locked[name] for name in CHECKED)
    if not against and (ap50.better < SURE or f1.better < 1 - SURE):
        against.append(
            f"it is not shown to be better: AP50 {ap50.before:.3f} before, {ap50.after:.3f} after "
            f"({_interval(ap50)}), F1 {f1.before:.3f} and {f1.after:.3f} on the locked tiles"
        )
    if against:
        return Verdict(False, tuple(against))
    f1_moved = _moved(f1).removeprefix("rose " if _moved(ap50).startswith("rose") else "")
    return Verdict(
        True,
        (
            f"AP50 {_moved(ap50)} ({_interval(ap50)}), F1 {f1_moved} on the locked tiles",
            _kept(sample),
        ),
    )


def _moved(spread: Spread) -> str:
    """Say how a figure has changed, with as many digits as it takes to see it."""
    digits = _digits(spread)
    before, after = f"{spread.before:.{digits}f}", f"{spread.after:.{digits}f}"
    if before == after:
        return f"stays at {before}"
    return f"{'rose' if spread.gain > 0 else 'fell'} from {before} to {after}"


def _digits(spread: Spread) -> int:
    pair = spread.before, spread.after
    return next((d for d in range(3, 7) if len({f"{x:.{d}f}" for x in pair}) > 1), 3)


def _interval(spread: Spread) -> str:
    digits = _digits(spread)
    low, high = spread.gain_range
    return f"change {low:+.{digits}f} to {high:+.{digits}f}"


def _kept(sample: Mapping[str, Spreads]) -> str:
    """Say how much of what it knew is left."""
    gains = [figures[name].gain for figures in sample.values() for name in CHECKED]
    worst = min(gains, default=0.0)
    if worst > -0.0005:
        return "nothing is lost on the bundled sample images"
    return f"on the bundled sample images no figure fell by more than {-worst:.3f}"


# -- what changed -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One nucleus or one detection that the two models differ on.

    Attributes
    ----------
    kind : str
        ``lost``: a true nucleus that only the old model finds; ``found``: only the new one;
        ``false alarm``: what only the new one finds wrongly; ``mended``: only the old one.
    image : str
        Its file.
    plane : int or None
        Of a stack.
    box : Box
        (y0, x0, y1, x1) in px.
    id : int or None
        Of the true nucleus, if it is one.
    locked : bool
        Whether it lies where the new model was not trained.
    """

    kind: str
    image: str
    plane: int | None
    box: Box
    id: int | None
    locked: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.kind,
            "image": self.image,
            "plane": self.plane,
            "box": list(self.box),
            "id": self.id,
            "locked": self.locked,
        }


def changes(image: Reviewed, locked: set[Tile], old: Found, new: Found) -> Iterator[Change]:
    """List what two models differ on in the reviewed part of an image.

    Parameters
    ----------
    locked : set of Tile
        The image's locked tiles.
    old, new : sequence of (Mask, float)
        What they show there, the surest first.
    """
    masks = [n.mask for n in image.truth]
    plane = image.record.plane
    was, now = (matched(masks, [mask for mask, _ in found]) for found in (old, new))

    def change(kind: str, mask: Mask, id: int | None) -> Change:
        inside = image.tile_of(mask) in locked
        return Change(kind, image.record.file_name, plane, mask.box, id, inside)

    had, has = (set(rows.tolist()) - {-1} for rows in (was, now))
    for kind, rows in (("lost", had - has), ("found", has - had)):
        for row in sorted(rows):
            yield change(kind, masks[row], image.truth[row].id)
    before, after = _wrong(image, old, was), _wrong(image, new, now)
    for mask in _only(before, after):
        yield change("mended", mask, None)
    for mask in _only(after, before):
        yield change("false alarm", mask, None)


def _wrong(image: Reviewed, found: Found, rows: Numbers) -> list[Mask]:
    wrong = [mask for (mask, _), row in zip(found, rows, strict=True) if row < 0]
    ignored = image.ignores(wrong)
    return [m for m, skip in zip(wrong, ignored, strict=True) if not skip and image.holds(m)]


def _only(these: list[Mask], others: list[Mask]) -> list[Mask]:
    rows = matched(others, these)
    return [mask for mask, row in zip(these, rows, strict=True) if row < 0]
