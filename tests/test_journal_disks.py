"""The journal where the disk fails: told at once, written later, nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from journals import PIXELS, SHAPE, add, journal_of, notices, opened, same, worked

from napari_nuclei.errors import UserError
from napari_nuclei.journal import safe_file
from napari_nuclei.journal.place import find, rescue, user_folder
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.review import Review


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells é 1.tif"
    path.write_bytes(b"stands for an image")
    return path


class Failing:
    """A stream that fails from some byte on, as long as `error` is set."""

    def __init__(self, stream: Any, error: int, room: int) -> None:
        self.stream, self.error, self.room = stream, error, room

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, data: Any) -> int:
        if not self.error:
            return int(self.stream.write(data))
        if not self.room:
            raise OSError(self.error, os.strerror(self.error))
        part = data[: self.room]
        self.room -= len(part)
        return int(self.stream.write(part))


@pytest.mark.parametrize("error", [28, 30, 5, 122], ids=["full", "read-only", "broken", "quota"])
@pytest.mark.parametrize("room", [0, 7])
def test_a_failing_disk_is_told_and_caught_up_with(image: Path, error: int, room: int) -> None:
    of = worked(image)
    assert of.journal is not None
    told: list[str] = []
    of.journal.trouble.connect(told.append)
    file = of.journal._file
    bad = Failing(file._stream, error, room)
    file._stream = bad  # type: ignore[assignment]
    add(of, 1)
    assert len(told) == 1, "at once"
    assert str(journal_of(image)) in told[0]
    add(of, 2)
    of.undo()
    assert len(told) == 1, "once"
    assert not of.journal._keep()
    bad.error = 0
    assert of.journal._keep()
    assert told[1:] == [""]
    file._stream = bad.stream
    of.close()
    assert same(of, opened(image))


def test_a_failed_sync_is_written_again(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = worked(image)
    assert of.journal is not None
    add(of, 1)

    def fail(_: int) -> None:
        journal_of(image).write_bytes(b"\0" * journal_of(image).stat().st_size)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(safe_file.os, "fsync", fail)
        of.journal._file._synced, pending = 0, journal_of(image).read_bytes()
        of.journal._file._pending[:] = pending
        assert not of.journal._file.sync()
        assert "Input/output" in of.journal.problem
    of.close()
    assert same(of, opened(image))


def test_a_deleted_journal_is_put_back(image: Path) -> None:
    of = worked(image)
    assert of.journal is not None
    of.journal._keep()
    shutil.rmtree(journal_of(image).parent)
    add(of, 3)
    of.close()
    assert same(of, opened(image))


def test_a_folder_that_goes_and_comes_back(tmp_path: Path) -> None:
    folder, moved = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    (folder / "i.png").write_bytes(b"1")
    of = worked(folder / "i.png")
    assert of.journal is not None
    folder.rename(moved)
    add(of, 3)
    assert not of.journal._keep()
    assert of.journal.problem
    moved.rename(folder)
    assert of.journal._keep()
    of.close()
    assert same(of, opened(folder / "i.png"))


def test_work_that_cannot_be_written_in_its_place_goes_to_the_user_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    image = folder / "i.png"
    image.write_bytes(b"1")

    def gone() -> Any:
        raise UserError("the image cannot be read")

    pixels: Any = gone
    of = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
    add(of, 1)
    folder.rename(tmp_path / "b")
    add(of, 2)
    moved = of.close()
    assert str(user_folder()) in moved
    (tmp_path / "b").rename(folder)
    again = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
    assert same(again, of)
    assert "beside its image again" in notices(again)
    assert find(image) == journal_of(image)
    again.close()
    assert notices(Review.open(image, start=Nuclei(SHAPE), pixels=pixels)) == ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of 256 KiB; called, it is mounted anew with these options."""
    point = tmp_path / "disk"
    point.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            pytest.skip(f"mounting is not allowed here: {answer.stderr.strip()}")
        return point

    if shutil.which("mount") is None or sys.platform != "linux":
        pytest.skip("no mount command here")
    mount("size=256k")
    yield mount
    subprocess.run(["umount", "-l", str(point)], check=True)


def test_full_disk(small_disk: Callable[[str], Path]) -> None:
    point = small_disk("remount,size=256k")
    image = point / "i.png"
    image.write_bytes(b"1")
    of = worked(image)
    assert of.journal is not None
    told: list[str] = []
    of.journal.trouble.connect(told.append)
    ballast = point / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"0" * 4096)
    for k in range(40):
        of.do(edits.note(of.nuclei, [2], f"{k}" * 100))
    assert len(told) == 1
    assert "disk is full" in told[0]
    ballast.unlink()
    assert of.journal._keep()
    assert told[1:] == [""]
    of.close()
    assert same(of, opened(image))


def test_read_only_folder(small_disk: Callable[[str], Path]) -> None:
    point = small_disk("remount,size=256k")
    image = point / "i.png"
    image.write_bytes(b"1")
    pixels = PIXELS + 7
    first = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
    add(first, 1)
    first.close()
    small_disk("remount,ro")
    away = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
    assert "kept in" in notices(away)
    assert same(away, first), "what there is already is taken along"
    add(away, 2)
    away.close()
    again = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
    assert same(again, away)
    assert find(image) is not None
    again.close()
    small_disk("remount,rw")
    home = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
    assert "beside its image again" in notices(home)
    assert same(home, away)
    home.close()
    assert find(image) == journal_of(image)


def test_images_with_the_same_pixels_lose_nothing(small_disk: Callable[[str], Path]) -> None:
    point = small_disk("remount,size=256k")
    images = [point / name for name in ("a.png", "b.png")]
    for image in images:
        image.write_bytes(b"1")
    small_disk("remount,ro")
    pixels = PIXELS + 11
    for k, image in enumerate(images):
        of = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
        add(of, k)
        of.close()
    small_disk("remount,rw")
    for image in images:
        of = Review.open(image, start=Nuclei(SHAPE), pixels=pixels)
        assert len(of.nuclei) == 2
        of.close()


def test_folder_made_read_only_under_way(image: Path) -> None:
    """What is open stays writable; where it does not, see the failing disk above."""
    of = worked(image)
    journal_of(image).parent.chmod(0o555)
    try:
        add(of, 3)
        assert of.close() == ""
    finally:
        journal_of(image).parent.chmod(0o755)
    assert same(of, opened(image))


def test_the_thread_syncs_by_itself(image: Path) -> None:
    of = worked(image)
    assert of.journal is not None
    file = of.journal._file
    while file._pending:  # the test's own time limit is the judge
        time.sleep(0.05)
    assert file._synced == journal_of(image).stat().st_size


def test_a_rescue_never_overwrites_another_history(tmp_path: Path) -> None:
    image = tmp_path / "a" / "i.png"
    first, longer, other = b"1\n", b"1\n2\n", b"1\n3\n"
    paths = [rescue(content, image, ()) for content in (first, longer, other, longer)]
    assert [p.read_bytes() for p in paths] == [longer, longer, other, longer]
    assert paths[0] == paths[1] == paths[3] != paths[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
        (tmp_path / "file").write_bytes(b"no folder")
        with pytest.raises(UserError, match="cannot write"):
            rescue(first, image, ())


def test_a_review_that_can_be_written_nowhere_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "i.png").write_bytes(b"1")
    of = worked(folder / "i.png")
    folder.rename(tmp_path / "b")
    with monkeypatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path / "b" / "i.png"))
        with pytest.raises(UserError, match="cannot write"):
            of.close()
    add(of, 3)
    (tmp_path / "b").rename(folder)
    assert of.close() == ""
    assert same(of, opened(folder / "i.png"))


class _Listener:
    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)


def test_a_listener_that_dies_while_it_is_told_stops_nothing(image: Path) -> None:
    of = worked(image)
    assert of.journal is not None
    gone, there = _Listener(), _Listener()
    of.journal.trouble.connect(gone.tell)
    (slot,) = of.journal.trouble._slots
    slot._obj_ref = lambda: None  # type: ignore[attr-defined]
    bad = Failing(of.journal._file._stream, 28, 0)
    of.journal._file._stream = bad  # type: ignore[assignment]
    add(of, 1)
    of.journal.trouble.disconnect()
    of.journal.trouble.connect(there.tell)
    bad.error = 0
    assert of.journal._keep()
    assert there.told == [""]


def test_one_task_that_breaks_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_file, "PAUSE", 0)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    keeper = safe_file.Keeper()
    done = threading.Event()
    good = threading.Event()

    def breaks() -> bool:
        if not done.is_set():
            done.set()
            raise ValueError("a fault of its own")
        return True

    def works() -> bool:
        if not done.is_set():
            return False
        good.set()
        return True

    keeper.remember(works)
    keeper.remember(breaks)
    assert done.wait(10)
    assert keeper._thread is not None
    keeper._thread.join(10)
    assert not keeper._thread.is_alive()
    keeper.remember(lambda: True)
    assert good.wait(10)
