"""What the lines of a journal say: edits and nuclei ↔ plain JSON values.

A row of a nucleus has only the keys that differ from the nucleus of the same id before, or
from a new one's defaults: ``rle`` (COCO's compressed run lengths of the whole image),
``score``, ``state``, ``order``, ``note``, ``category`` and ``origin``; in the latter ``rle`` is
what the model had predicted, or ``true`` where that is the nucleus's own mask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..masks import Mask
from ..masks.codec import decode, encode
from ..nuclei import NUCLEUS, Crowd, Kind, Nuclei, Nucleus, Origin, State
from ..nuclei.edit import Edit
from ..nuclei.history import History

Row = dict[str, Any]
Shape = tuple[int, int]

_NEW = Nucleus(0, Mask())
DAMAGE = (ValueError, TypeError, LookupError, AttributeError)
"""What reading a damaged row raises."""


# -- writing ----------------------------------------------------------------------------


def as_line(row: Row) -> bytes:
    """Return a row as it stands in the file."""
    # In ASCII, since a remark may hold what UTF-8 cannot say (half of an emoji).
    return json.dumps(row, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def edit_row(edit: Edit, shape: Shape) -> Row:
    """Return an edit as one row; the nuclei it takes away are named by their ids only."""
    row: Row = {"edit": edit.name, "time": edit.time, "by": edit.author}
    if edit.before:
        row["before"] = [n.id for n in edit.before]
    if edit.after:
        row["after"] = _rows(edit.after, {n.id: n for n in edit.before}, shape)
    if edit.threshold is not None:
        row["threshold"] = [float(v) for v in edit.threshold]
    if edit.complete is not None:
        row["complete"] = [[list(map(int, box)) for box in boxes] for boxes in edit.complete]
    if edit.crowds is not None:
        row["crowds"] = [_crowd_rows(crowds, shape) for crowds in edit.crowds]
    return row


def nuclei_row(nuclei: Nuclei) -> Callable[[], Row]:
    """Hold all that is known of an image; call the result for the row, even after changes."""
    head: Row = {
        "height": nuclei.shape[0],
        "width": nuclei.shape[1],
        "next_id": nuclei.next_id,
        "threshold": float(nuclei.threshold),
        "complete": [list(map(int, box)) for box in nuclei.complete],
    }
    rows, shape = list(nuclei), nuclei.shape
    if nuclei.crowds:  # most images have none
        head["crowds"] = _crowd_rows(nuclei.crowds, shape)
    return lambda: {**head, "nuclei": _rows(rows, {}, shape)}


def _crowd_rows(crowds: Sequence[Crowd], shape: Shape) -> list[Row]:
    codes = encode([c.mask for c in crowds], shape)
    return [{"rle": rle, "category": c.category} for rle, c in zip(codes, crowds, strict=True)]


def _rows(nuclei: Sequence[Nucleus], before: dict[int, Nucleus], shape: Shape) -> list[Row]:
    olds = [before.get(n.id, _NEW) for n in nuclei]
    own = [_differ(n.mask, old.mask) for n, old in zip(nuclei, olds, strict=True)]
    said = [_is_apart(n, old) for n, old in zip(nuclei, olds, strict=True)]
    masks = [n.mask for n, new in zip(nuclei, own, strict=True) if new]
    masks += [n.origin.mask or Mask() for n, new in zip(nuclei, said, strict=True) if new]
    codes = iter(encode(masks, shape))
    rows = [
        _changes(n, old, next(codes) if new else None)
        for n, old, new in zip(nuclei, olds, own, strict=True)
    ]
    for row, new in zip(rows, said, strict=True):
        if new:
            row["origin"]["rle"] = next(codes)
    return rows


def _is_apart(nucleus: Nucleus, old: Nucleus) -> bool:
    """Whether the predicted mask has to be written, and is not the nucleus's own."""
    said = nucleus.origin.mask
    if said is None or not _differ(said, nucleus.mask):
        return False
    return _differ(nucleus.origin, old.origin)


def _differ(one: object, other: object) -> bool:
    return one is not other and one != other  # most are the same object, and large


def _changes(nucleus: Nucleus, old: Nucleus, code: str | None) -> Row:
    row: Row = {"id": int(nucleus.id)}
    if code is not None:
        row["rle"] = code
    if nucleus.score != old.score:
        row["score"] = float(nucleus.score)
    if nucleus.state is not old.state:
        row["state"] = nucleus.state.value
    if nucleus.order != old.order:
        row["order"] = int(nucleus.order)
    if nucleus.note != old.note:
        row["note"] = nucleus.note
    if nucleus.category != old.category:
        row["category"] = nucleus.category
    origin = nucleus.origin
    if _differ(origin, old.origin):
        said: Row = {"kind": origin.kind.value}
        if origin.model:
            said["model"] = origin.model
        if origin.parents:
            said["parents"] = [int(i) for i in origin.parents]
        if origin.mask is not None:
            said["rle"] = True
        row["origin"] = said
    return row


# -- reading ----------------------------------------------------------------------------


def nuclei_of(row: Row) -> Nuclei:
    """Read what `nuclei_row` wrote. Raises `ValueError` or `KeyError` if it is damaged."""
    shape = int(row["height"]), int(row["width"])
    _decode(row["nuclei"], shape)
    rows = [_nucleus(r, _NEW) for r in row["nuclei"]]
    boxes = tuple(_box(b) for b in row["complete"])
    crowds = _crowds(row.get("crowds", ()), shape)
    return Nuclei(shape, rows, float(row["threshold"]), boxes, int(row["next_id"]), crowds)


def _crowds(rows: Sequence[Row], shape: Shape) -> tuple[Crowd, ...]:
    masks = decode([row["rle"] for row in rows], shape)
    return tuple(Crowd(m, str(r["category"])) for m, r in zip(masks, rows, strict=True))


@dataclass(slots=True)
class Replayed:
    """What a journal's lines lead to.

    Attributes
    ----------
    nuclei : Nuclei
        The state after the last line.
    done, undone : History
        What can be undone and redone.
    """

    nuclei: Nuclei
    done: History = field(default_factory=History)
    undone: History = field(default_factory=History)


def replay(rows: Sequence[Row], on: Replayed) -> int:
    """Do all over again what rows say; return how many of them make sense.

    The first that does not, and all after it, are left out.
    """
    good = _decode_rows(rows, on.nuclei.shape)
    for number, row in enumerate(rows[:good]):
        try:
            _follow(row, on)
        except DAMAGE:
            return number
    return good


def _follow(row: Row, on: Replayed) -> None:
    if "edit" in row:
        edit = _edit(row, on.nuclei)
        edit.apply_to(on.nuclei)
        on.done.append(edit)
        on.undone.clear()
    elif "undo" in row:
        on.done[-1].inverse().apply_to(on.nuclei)
        on.undone.append(on.done.pop())
    elif "redo" in row:
        on.undone[-1].apply_to(on.nuclei)
        on.done.append(on.undone.pop())
    elif "image" not in row:
        raise ValueError("unknown line")


def _decode_rows(rows: Sequence[Row], shape: Shape) -> int:
    """Put masks in the place of run lengths, in all rows at once; return how many are good."""
    try:
        _decode([r for row in rows for r in _after(row)], shape)
    except DAMAGE:
        for number, row in enumerate(rows):
            try:
                _decode(_after(row), shape)
            except DAMAGE:
                return number
    return len(rows)


def _after(row: Row) -> list[Row]:
    found: list[Row] = row.get("after", [])
    return found


def _edit(row: Row, nuclei: Nuclei) -> Edit:
    """Read an edit whose masks are decoded, made for the present state of the nuclei."""
    before = {i: nuclei[i] for i in row.get("before", ())}
    after = tuple(_nucleus(r, before.get(r["id"], _NEW)) for r in _after(row))
    threshold, complete, crowds = (row.get(k) for k in ("threshold", "complete", "crowds"))
    shape = nuclei.shape
    return Edit(
        str(row["edit"]),
        tuple(before.values()),
        after,
        None if threshold is None else (float(threshold[0]), float(threshold[1])),
        None if complete is None else (_boxes(complete[0]), _boxes(complete[1])),
        float(row["time"]),
        str(row["by"]),
        None if crowds is None else (_crowds(crowds[0], shape), _crowds(crowds[1], shape)),
    )


def _boxes(rows: Iterable[Any]) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(_box(row) for row in rows)


def _box(row: Any) -> tuple[int, int, int, int]:
    y0, x0, y1, x1 = row
    return int(y0), int(x0), int(y1), int(x1)


def _decode(rows: Iterable[Row], shape: Shape) -> None:
    places = [place for row in rows for place in _places(row)]
    masks = decode([place["rle"] for place in places], shape)
    for place, mask in zip(places, masks, strict=True):
        place["rle"] = mask


def _places(row: Row) -> Iterator[Row]:
    """Yield the objects of a nucleus's row that hold run lengths."""
    if isinstance(row.get("rle"), str):
        yield row
    if isinstance(row.get("origin", {}).get("rle"), str):
        yield row["origin"]


def _nucleus(row: Row, old: Nucleus) -> Nucleus:
    mask = row.get("rle", old.mask)
    state = State(row["state"]) if "state" in row else old.state
    origin = old.origin
    if "origin" in row:
        said = row["origin"]
        predicted = mask if said.get("rle") is True else said.get("rle")
        parents = tuple(said.get("parents", ()))
        origin = Origin(Kind(said["kind"]), said.get("model", ""), predicted, parents)
    if old is not _NEW:
        changes = {k: row[k] for k in ("score", "order", "note", "category") if k in row}
        return replace(old, mask=mask, state=state, origin=origin, **changes)
    score, order, note = row.get("score", 1.0), row.get("order", 0), row.get("note", "")
    category = str(row.get("category", NUCLEUS))
    return Nucleus(int(row["id"]), mask, score, state, origin, order, note, category)
