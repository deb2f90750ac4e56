"""`Nuclei`: finding by id and place, ids that never come twice, edits that fit or are refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import nuclei, state_of

from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State, edits
from napari_nuclei.nuclei.edits import Edit

square = Mask.from_array(np.ones((4, 4)))


def model(id: int, mask: Mask, score: float = 0.5) -> Nucleus:
    return Nucleus(id, mask, score, origin=Origin(Kind.MODEL, "netz", mask))


@given(nuclei(), st.integers(0, 10), st.integers(0, 11))
def test_seen_at_a_pixel(of: Nuclei, y: int, x: int) -> None:
    here = [n for n in of if of.is_shown(n) and n.mask.contains(y, x)]
    here.sort(key=lambda n: (n.order, n.score, n.id))
    assert of.at(y, x) == (here[-1] if here else None)


@given(nuclei(), st.integers(0, 9), st.integers(0, 9), st.integers(1, 4), st.integers(1, 4))
def test_in_box(of: Nuclei, y: int, x: int, height: int, width: int) -> None:
    found = {n.id for n in of.in_box((y, x, y + height, x + width))}
    wanted = {
        n.id
        for n in of
        if n.mask.y < y + height
        and y < n.mask.y + n.mask.height
        and n.mask.x < x + width
        and x < n.mask.x + n.mask.width
    }
    assert found == wanted


def test_in_box_across_cells() -> None:
    of = Nuclei((1000, 1000), (model(k, square.shift(k * 37, k * 29)) for k in range(1, 26)))
    wide = Nucleus(99, Mask.from_array(np.ones((3, 900)), 500, 20))
    Edit("add", (), (wide,)).apply_to(of)
    assert {n.id for n in of.in_box((501, 800, 502, 801))} == {99}
    assert {n.id for n in of.in_box((0, 0, 1000, 1000))} == {*range(1, 26), 99}
    Edit("delete", (wide,)).apply_to(of)
    assert of.in_box((501, 800, 502, 801)) == []


@given(nuclei())
def test_shown(of: Nuclei) -> None:
    for n in of:
        untouched = (
            n.state is State.PROPOSED
            and n.origin.kind is Kind.MODEL
            and not n.note
            and n.origin.mask == n.mask
        )
        wanted = n.state is not State.REJECTED and (not untouched or n.score >= of.threshold)
        assert of.is_shown(n) == wanted
        assert (n in list(of.shown())) == wanted
        assert n.touched == (not untouched)


def test_ids_are_never_used_twice() -> None:
    of = Nuclei((9, 9))
    first = edits.add(of, square)
    first.apply_to(of)
    first.inverse().apply_to(of)
    assert of.next_id == 2
    assert edits.add(of, square).after[0].id == 2
    assert Nuclei((9, 9), [model(7, square)], next_id=3).next_id == 8
    with pytest.raises(ValueError, match="two nuclei have the id 7"):
        Nuclei((9, 9), [model(7, square), model(7, square)])


def test_an_edit_that_does_not_fit_changes_nothing() -> None:
    one, two = model(1, square), model(2, square.shift(3, 3))
    of = Nuclei((9, 9), [one, two])
    before = state_of(of)
    stale = replace(one, score=0.4)
    for edit in (
        Edit("delete", (stale,)),
        Edit("delete", (two, stale)),
        Edit("delete", (model(3, square),)),
        Edit("add", (), (model(3, square), model(2, square))),
        Edit("split", (one,), (one, two)),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            edit.apply_to(of)
        assert state_of(of) == before


def test_equality_looks_at_everything() -> None:
    def made(**changes: Any) -> Nuclei:
        values = {"shape": (9, 9), "rows": [model(1, square)], "threshold": 0.2, **changes}
        return Nuclei(**values)

    assert made() == made()
    assert made() != made(shape=(9, 8))
    assert made() != made(rows=[])
    assert made() != made(rows=[model(1, square, 0.6)])
    assert made() != made(threshold=0.3)
    assert made() != made(complete=((0, 0, 1, 1),))
    assert made() != "nuclei"
    assert repr(made(threshold=0.9)) == "<Nuclei 9×9: 0 shown of 1>"


MANY = """
import numpy as np, psutil
from napari_nuclei.masks.mask import Mask
from napari_nuclei.nuclei.nuclei import Kind, Nuclei, Nucleus, Origin

y, x = np.mgrid[-12:13, -12:13]
forms = [Mask.from_array((y * a) ** 2 + (x / a) ** 2 < 100) for a in (0.85, 0.9, 1.1, 1.2)]

def rows():
    for k in range(100_000):
        form = forms[k % len(forms)]
        copy = bytes(bytearray(form.counts))  # no two nuclei share their pixels
        mask = Mask(30 * (k // 400), 25 * (k % 400), form.height, form.width, copy)
        yield Nucleus(k + 1, mask, k / 100_000, origin=Origin(Kind.MODEL, "netz", mask))

of = Nuclei((8_000, 11_000), rows())
assert len(of) == 100_000 and len({id(n.mask.counts) for n in of}) == 100_000
print(psutil.Process().memory_info().rss)
"""


def test_a_hundred_thousand_take_under_300_mb() -> None:
    run = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 300e6
