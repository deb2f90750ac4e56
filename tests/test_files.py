"""Files are written whole or not at all, and what goes wrong is said in one line."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_nuclei.atomic_files import read_json, replacing, write_json
from napari_nuclei.errors import UserError
from napari_nuclei.formats.numbers import finite


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"µ": [1, 2.5, None]})
    write_json(tmp_path / "a.json", {"µ": [1 / 3]})
    assert read_json(tmp_path / "a.json") == {"µ": [1 / 3]}
    assert left(tmp_path) == ["a.json"]


def test_a_failure_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as stream:
            stream.write(b"new")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    assert left(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only")],
)
def test_a_full_or_closed_disk(
    code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=words):
        write_json(tmp_path / "a.json", [])
    assert left(tmp_path) == []


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; create it first"):
        write_json(tmp_path / "none" / "a.json", [])
    with pytest.raises(UserError, match="is a folder"):
        write_json(tmp_path, [])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not a folder"):
        write_json(tmp_path / "file" / "a.json", [])
    with pytest.raises(UserError, match="name is too long"):
        write_json(tmp_path / ("x" * 300), [])


@pytest.mark.skipif(sys.platform == "win32", reason="other rights, and links need privileges")
def test_rights_links_and_devices_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "a.json", tmp_path / "link.json"
    write_json(path, [])
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    write_json(link, [1])
    assert link.is_symlink()
    assert read_json(path) == [1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    write_json("/dev/null", [])
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_nan_is_never_written_but_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", [float("nan")])
    assert left(tmp_path) == []
    (tmp_path / "a.json").write_text('{"a": [NaN, -Infinity, 1.5], "b": "NaN"}')
    value = read_json(tmp_path / "a.json")
    assert finite(value) == {"a": [None, None, 1.5], "b": "NaN"}


def test_what_is_compressed(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json.gz", {"ä": [1]})
    assert (tmp_path / "a.json.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert read_json(tmp_path / "a.json.gz") == {"ä": [1]}
    whole = (tmp_path / "a.json.gz").read_bytes()
    for broken in (whole[:-9], whole[:4]):
        (tmp_path / "a.json.gz").write_bytes(broken)
        with pytest.raises(UserError, match=r"a\.json\.gz is damaged or cut short"):
            read_json(tmp_path / "a.json.gz")
