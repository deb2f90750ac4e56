"""Pipes and the streams of the process: what is written to them, read from them, and refused."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shell import Run, refused

from napari_nuclei.atomic_files import read_json, replacing
from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus
from napari_nuclei.streams import at_rest, is_stream, name_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes differ there")


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    of = Nuclei((9, 9), [Nucleus(1, Mask.from_array(np.ones((4, 4))))])
    coco.write(tmp_path / "n.json", DataSet([ImageRecord(1, "a.png", 9, 9)], {1: of}))
    return run


def feed(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Have a file come from stdin."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(Path(path).read_bytes())))


def test_convert_reads_and_writes_streams(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, "n.json")
    code, out, err = run("convert", "-", "--to", "geojson", "--out", "-")
    assert (code, json.loads(out)["napari_nuclei"]["file_name"]) == (0, "a.png")
    assert "1 nucleus of 1 image → stdout" in err
    code, out, _ = run("convert", "n.json", "--to", "results", "--out", "/dev/stdout")
    assert (code, len(json.loads(out))) == (0, 1)
    feed(monkeypatch, "n.json")
    refused(run("convert", "-", "-", "--to", "coco", "--out", "o.json"), "only once")
    refused(run("convert", "n.json", "--out", "-"), "--to")
    refused(run("convert", "n.json", "--out", "-", "--to", "masks"), "stdout", "name a folder")
    refused(run("convert", "n.json", "--out", "-", "--to", "coco", "--json"), "both go to stdout")


def test_evaluate_reads_streams(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("-", "n.json"), ("n.json", "-"), ("n.json", "/dev/stdin")):
        feed(monkeypatch, "n.json")
        code, out, _ = run("evaluate", *arguments, "--json")
        assert (code, json.loads(out)["f1_50"]) == (0, 1)
    refused(run("evaluate", "-", "-"), "cannot both come from stdin")
    Path("broken").write_text("{")
    feed(monkeypatch, "broken")
    refused(run("evaluate", "n.json", "-"), "stdin is not a JSON file")


def test_pipes_are_written_as_a_whole(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    read, write = os.pipe()
    try:
        for path in (Path(f"/dev/fd/{write}"), Path(f"/proc/self/fd/{write}")):
            if not path.parent.is_dir():
                continue
            assert is_stream(path)
            with replacing(path) as file:
                file.write(b"later")
                file.seek(0)
                file.write(b"right")
            assert os.read(read, 99) == b"right"
        with pytest.raises(ZeroDivisionError), replacing(Path(f"/dev/fd/{write}")) as file:
            file.write(bytes(1 // 0) + b"lost")
        os.write(write, b"end")
        assert os.read(read, 99) == b"end"
    finally:
        os.close(read)
    with pytest.raises(BrokenPipeError), replacing(Path(f"/dev/fd/{write}")) as file:
        file.write(b"to nobody")
    os.close(write)
    with pytest.raises(UserError, match="it is closed"), replacing(f"/dev/fd/{write}"):
        pass
    assert is_stream(tmp_path / "fifo")
    assert not is_stream(tmp_path)
    assert not is_stream(tmp_path / "fifo2")


def test_a_copy_at_rest_has_the_name_of_its_stream(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("{")
    with at_rest(tmp_path / "plain") as path:
        assert path == tmp_path / "plain"
    read, write = os.pipe()
    os.write(write, b"{")
    os.close(write)
    place = Path(f"/dev/fd/{read}")
    with pytest.raises(UserError, match=f"^{name_of(place)} is not a JSON"), at_rest(place) as path:
        read_json(path)
    with pytest.raises(UserError, match="nothing came"), at_rest(place):
        pass
    os.close(read)


def test_closed_streams(run: Run, tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.argv[0] = 'x'\n"
        "from napari_nuclei.cli import main\n"
        "assert sys.stdout is None and sys.stderr is None\n"
        "a = main(['models', 'list'])\n"
        "b = main(['convert', 'n.json', '--to', 'coco', '--out', '-'])\n"
        "os._exit(10 * a + b)"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(coco.__file__).parents[2])},
        check=False,
    )
    assert done.returncode == 2
