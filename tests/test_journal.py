"""The journal: nothing that was recorded is lost, whatever happens to the process."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import journal_worker
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from journals import SHAPE, abandon, add, journal_of, notices, opened, same, square, worked
from strategies import OPERATIONS, make_edit, nuclei, state_of

from napari_nuclei import review
from napari_nuclei.errors import UserError
from napari_nuclei.journal import journal
from napari_nuclei.journal.place import find
from napari_nuclei.journal.snapshot import peek
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.review import Review


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells é 1.tif"
    path.write_bytes(b"stands for an image")
    return path


# -- the history goes on ----------------------------------------------------------------


class Restarts(RuleBasedStateMachine):
    """The model: all states so far, and which one is the present, across restarts."""

    @initialize(of=nuclei(least=1))
    def start(self, of: Nuclei) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.image = self.folder / "a.png"
        self.image.write_bytes(b"1")
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(review, "MIN_SNAPSHOT_BYTES", 0)
        self.review = opened(self.image, of)
        self.start_state = of
        self.states = [state_of(of)]
        self.edits: list[Any] = []
        self.now = 0

    @rule(data=st.data(), operation=st.sampled_from(OPERATIONS))
    def do(self, data: st.DataObject, operation: str) -> None:
        edit = make_edit(data.draw, self.review.nuclei, operation)
        if edit is None:
            return
        self.review.do(edit)
        self.states[self.now + 1 :] = [state_of(self.review.nuclei)]
        self.edits[self.now :] = [edit]
        self.now += 1

    @rule(score=st.sampled_from([0.1, 0.4, 0.7]))
    def amend(self, score: float) -> None:
        """Go on with a move of the slider: the history has one edit for both."""
        if not self.now or self.review.done.last_summary.split()[0] != "threshold":
            return
        edit = edits.set_threshold(self.review.nuclei, score)
        whole = self.review.amend(edit)
        self.states[self.now :] = [state_of(self.review.nuclei)]
        self.edits[self.now - 1 :] = [whole]

    @rule()
    def undo(self) -> None:
        assert (self.review.undo() is None) == (self.now == 0)
        self.now = max(0, self.now - 1)

    @rule()
    def redo(self) -> None:
        assert (self.review.redo() is None) == (self.now == len(self.edits))
        self.now = min(len(self.edits), self.now + 1)

    @rule(ending=st.sampled_from(["close", "kill", "lose the snapshot", "spoil the snapshot"]))
    def restart(self, ending: str) -> None:
        old = self.review
        if ending == "kill":
            abandon(old)
        else:
            assert old.close() == ""
        path = journal_of(self.image).with_suffix(".snapshot")
        if path.exists() and ending.endswith("snapshot"):
            path.unlink() if "lose" in ending else path.write_text(path.read_text()[:-9])
        self.review = opened(self.image, self.start_state)
        assert notices(self.review) == ""
        assert self.review.nuclei.next_id == old.nuclei.next_id or not self.edits

    @rule()
    def read_history(self) -> None:
        """Not at each step, so that it mostly stays unread."""
        assert list(self.review.done) == self.edits[: self.now]
        assert list(self.review.undone) == self.edits[self.now :][::-1]
        assert list(self.review.done) == list(self.review.done)

    @invariant()
    def is_the_present_state(self) -> None:
        if hasattr(self, "review"):
            assert state_of(self.review.nuclei) == self.states[self.now]
            assert len(self.review.done) == self.now
            assert len(self.review.undone) == len(self.edits) - self.now
            last = self.edits[self.now - 1].summary() if self.now else ""
            assert self.review.done.last_summary == last

    def teardown(self) -> None:
        if hasattr(self, "review"):
            self.review.close()
            self.patch.undo()
            shutil.rmtree(self.folder)


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=25, stateful_step_count=15)


def test_looking_leaves_no_journal(image: Path) -> None:
    of = opened(image)
    of.select([1])
    of.close()
    assert not journal_of(image).exists()
    assert find(image) is None


def test_a_closed_review_refuses_changes(image: Path) -> None:
    of = worked(image)
    of.close()
    for act in (of.undo, of.redo, lambda: add(of, 1)):
        with pytest.raises(UserError, match="closed"):
            act()
    assert same(of, opened(image))


def test_what_cannot_be_recorded_is_not_done(image: Path) -> None:
    of = worked(image)
    before, lines = state_of(of.nuclei), journal_of(image).read_bytes()
    wrong = edits.propose(of.nuclei, [(square.shift(9, 9), float("nan"))], "netz", 0.3)
    with pytest.raises(ValueError, match="JSON"):
        of.do(wrong)
    assert state_of(of.nuclei) == before
    assert journal_of(image).read_bytes() == lines


def test_snapshots_are_made_along_the_way(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SNAPSHOT_BYTES", 500)
    of = worked(image)
    for k in range(20):
        add(of, k % 16)
    assert of.journal is not None
    assert of.journal._keep()
    snapshot = journal_of(image).with_suffix(".snapshot")
    while not snapshot.exists():  # the thread may be at it; the test's own time limit is the judge
        time.sleep(0.01)
    abandon(of)
    row = json.loads(snapshot.read_bytes())
    assert 0 < row["size"] <= journal_of(image).stat().st_size
    again = opened(image)
    assert again.done._older > 0, "only the end was replayed"
    assert same(again, of)
    assert peek(journal_of(image)) == of.nuclei


def test_an_unreadable_older_history_leaves_the_nuclei(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "MIN_SNAPSHOT_BYTES", 0)
    of = worked(image)
    for k in range(60):
        add(of, k % 16)
    of.close()
    data = journal_of(image).read_bytes()
    journal_of(image).write_bytes(data.replace(b'"segment"', b'"segm"nt"', 1))
    again = opened(image)
    assert again.nuclei == of.nuclei
    with pytest.raises(UserError, match="older history"):
        again.undo()
    assert again.nuclei == of.nuclei
    add(again, 3)
    assert again.undo()


# -- processes that die -----------------------------------------------------------------


def test_cut_at_every_byte(image: Path) -> None:
    of = worked(image)
    of.close()
    path, data = journal_of(image), journal_of(image).read_bytes()
    lines = data.splitlines(keepends=True)
    states, plain = [state_of(Nuclei(SHAPE))], Review(Nuclei(SHAPE))
    todo = [*of.done, *reversed(of.undone)]
    for line in map(json.loads, lines[1:]):
        if "edit" in line:
            edit = next((e for e in todo if e.time == line["time"]), None)
            # The join that was undone and then forgotten is in the journal only.
            plain.do(edit or edits.merge(plain.nuclei, [2, 3]))
        else:
            plain.undo() if "undo" in line else plain.redo()
        states.append(state_of(plain.nuclei))
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        again = opened(image)
        whole = max(0, data[:cut].count(b"\n") - 1)
        assert state_of(again.nuclei) == states[whole]
        torn = not (cut == 0 or data[cut - 1 : cut] == b"\n")
        assert bool(notices(again)) == torn
        again.close()
        for stray in path.parent.glob("*.old-*"):
            assert stray.read_bytes() == data[:cut], "what has no beginning is kept aside"
            stray.unlink()


def test_work_goes_on_after_a_torn_line(image: Path) -> None:
    of = worked(image)
    of.close()
    with journal_of(image).open("ab") as stream:
        stream.write(b'{"n":9,"edit":"ad')
    for _ in range(2):
        again = opened(image)
        assert same(again, of)
        add(again, 5)
        of = again
        again.close()
    assert b'"ad{' not in journal_of(image).read_bytes()
    assert notices(opened(image)) == ""


def test_damage_in_the_middle_is_set_aside(image: Path) -> None:
    of = worked(image)
    of.close()
    lines = journal_of(image).read_bytes().splitlines(keepends=True)
    bad = [b"\0" * 30 + b"\n", lines[4][:-9] + b"\n", lines[5], b'{"n":4}\n', b"[]\n"]
    bad += [lines[1].replace(b'"n":1', b'"n":4').replace(b'"rle":"', b'"rle":"\xc3\x28')]
    for number, wrong in enumerate(bad, 1):
        journal_of(image).write_bytes(b"".join([*lines[:4], wrong, *lines[5:]]))
        again = opened(image)
        assert "set aside" in notices(again)
        assert len(again.done) == 1
        copies = sorted(journal_of(image).parent.glob("*.damaged-*"))
        assert len(copies) == number
        assert b"".join([wrong, *lines[5:]]) in [c.read_bytes() for c in copies]
        again.close()
        assert notices(opened(image)) == "", "said once"


KILLS = 12


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 26))]
)
def test_kill_at_any_moment(image: Path, seed: int) -> None:
    """One review, taken over again and again by processes that are killed at work."""
    chance = random.Random(seed)
    command = [sys.executable, journal_worker.__file__, str(image), str(seed)]
    plain = Review(Nuclei(journal_worker.SHAPE))
    journal_worker.step.count = 0  # type: ignore[attr-defined]
    reached = 0
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            assert worker.stderr is not None
            for _ in range(chance.randrange(1, 40)):
                line = worker.stdout.readline()
                assert line, worker.stderr.read().decode()
            time.sleep(chance.random() / 100)  # proves nothing: it varies the moment of the kill
            worker.kill()
            said = [line, *worker.stdout.read().splitlines(keepends=True)]
        counts = [int(line) for line in said if line.endswith(b"\n")]
        again = Review.open(image, start=Nuclei(journal_worker.SHAPE))
        assert again.journal is not None
        assert not again.read_only, "the lock of the dead is taken over"
        assert again.journal.count in (counts[-1], counts[-1] + 1)
        assert again.journal.count > reached
        reached = again.journal.count
        while journal_worker.step.count < reached:  # type: ignore[attr-defined]
            journal_worker.step(plain, seed)
        assert again.nuclei == plain.nuclei
        assert [e.summary() for e in again.done] == [e.summary() for e in plain.done]
        assert [e.summary() for e in again.undone] == [e.summary() for e in plain.undone]
        abandon(again)
