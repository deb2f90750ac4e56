"""Hypothesis strategies of the core: masks, nuclei, edits. The tests are in their own files."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State, edits
from napari_nuclei.nuclei.edits import Edit
from napari_nuclei.nuclei.labels import stroke

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("steady")

Bools = NDArray[np.bool_]
SCORES = st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.50001, 0.9, 1.0])


@st.composite
def pixels(draw: st.DrawFn, shape: tuple[int, int], blobs: bool = False) -> Bools:
    """A whole image's pixels of one object: noise, or a filled box with noise cut out."""
    if not blobs and draw(st.booleans()):
        return draw(hnp.arrays(bool, shape))
    out = np.zeros(shape, bool)
    y0, x0 = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
    y1, x1 = draw(st.integers(y0 + 1, shape[0])), draw(st.integers(x0 + 1, shape[1]))
    out[y0:y1, x0:x1] = True
    for _ in range(draw(st.integers(0, 3))):
        out[draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))] ^= True
    return out


shapes = st.tuples(st.integers(1, 13), st.integers(1, 13))


def masks(shape: tuple[int, int], empty: bool = False) -> st.SearchStrategy[Mask]:
    made = pixels(shape).map(Mask.from_array)
    return made if empty else made.filter(bool)


@st.composite
def origins(draw: st.DrawFn, shape: tuple[int, int], mask: Mask) -> Origin:
    kind = draw(st.sampled_from(Kind))
    predicted = draw(st.sampled_from([None, mask]) | masks(shape))
    parents = tuple(draw(st.lists(st.integers(1, 40), max_size=2)))
    return Origin(kind, draw(st.sampled_from(["", "netz", "µ/x.json"])), predicted, parents)


@st.composite
def nuclei(
    draw: st.DrawFn, shape: tuple[int, int] = (11, 12), least: int = 0, most: int = 5
) -> Nuclei:
    """An image with overlapping nuclei of every state and origin."""
    ids = draw(st.lists(st.integers(1, 30), unique=True, min_size=least, max_size=most))
    rows = []
    for id in ids:
        mask = draw(masks(shape))
        rows.append(
            Nucleus(
                id,
                mask,
                draw(SCORES),
                draw(st.sampled_from(State)),
                draw(origins(shape, mask)),
                draw(st.integers(0, 2)),
                draw(st.sampled_from(["", "unsicher „?“"])),
            )
        )
    complete = tuple(draw(st.lists(st.sampled_from([(0, 0, 2, 3), (1, 1, 9, 9)]), max_size=2)))
    return Nuclei(shape, rows, draw(SCORES), complete, draw(st.integers(1, 50)))


BOXES = st.sampled_from([None, (0, 1, 3, 4), (2, 2, 5, 5), (-3, -2, 4, 50), (4, 4, 4, 9)])
OPERATIONS = [
    "add", "delete", "reject", "accept", "accept_above", "merge", "split", "repaint", "note",
    "set_threshold", "mark_complete", "unmark", "propose", "stroke", "split_by_seeds",
    "fill_holes", "smooth", "keep_largest", "grow", "shrink", "adopt",
]  # fmt: skip


def make_edit(draw: Any, of: Nuclei, operation: str) -> Edit | None:
    """Draw the arguments of an operation and make its edit; None where it is refused."""
    ids = [n.id for n in of] or [999]
    some = st.lists(st.sampled_from(ids), min_size=1, max_size=3)
    if operation == "stroke":
        painted = draw(masks(of.shape)).pixels()
        value = draw(st.sampled_from([0, of.next_id, *ids]))
        arguments: tuple[Any, ...] = (*painted, value)
        make: Any = stroke
    else:
        make = getattr(edits, operation)
        mask = masks(of.shape)
        point = st.tuples(st.integers(-2, of.shape[0]), st.integers(-2, of.shape[1]))
        arguments = {
            "add": lambda: (draw(mask),),
            "accept_above": lambda: (draw(SCORES),),
            "merge": lambda: (draw(some),),
            "split": lambda: (draw(st.sampled_from(ids)), draw(st.lists(point, max_size=3))),
            "repaint": lambda: (draw(st.sampled_from(ids)), draw(mask)),
            "note": lambda: (draw(some), draw(st.text(max_size=5))),
            "set_threshold": lambda: (draw(SCORES),),
            "mark_complete": lambda: (draw(BOXES),),
            "unmark": lambda: (draw(BOXES),),
            "split_by_seeds": lambda: (draw(st.sampled_from(ids)), draw(st.lists(point))),
            "smooth": lambda: (draw(some), draw(st.sampled_from([0.5, 2.0]))),
            "grow": lambda: (draw(some), draw(st.sampled_from([1, 1.5, 4]))),
            "shrink": lambda: (draw(some), draw(st.sampled_from([1, 1.5, 4]))),
            "adopt": lambda: (draw(nuclei(of.shape, most=3)),),
            "propose": lambda: (
                draw(st.lists(st.tuples(mask.map(lambda m: m.shift(-2, 4)), SCORES), max_size=3)),
                "netz",
                draw(SCORES),
            ),
        }.get(operation, lambda: (draw(some),))()
    try:
        return make(of, *arguments)
    except EditError:
        return None


def state_of(of: Nuclei) -> dict[str, Any]:
    """Everything that an undo has to bring back, as plain values."""
    return {
        "shape": of.shape,
        "rows": {n.id: n for n in of},
        "threshold": of.threshold,
        "complete": of.complete,
        "cells": {id for ids in of._cells.values() for id in ids},
        "found": {n.id for n in of.in_box((0, 0, *of.shape))},
    }
