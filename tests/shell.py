"""Calling the command line in a test, and what an answer must look like. No tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_nuclei.cli import main

Answer = tuple[int, str, str]
Run = Callable[..., Answer]
QUICK = ("--device", "cpu", "--diameter", "20")
MODEL = ("--model", "tiny")


def make_run(
    models: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return what runs a command in `folder`: exit code, stdout, stderr."""
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(models))
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def refused(answer: Answer, *words: str, code: int = 2) -> None:
    """Check for an exit code and one line on stderr that says what is wrong."""
    assert answer[0] == code, answer
    lines = [line for line in answer[2].splitlines() if line.startswith("napari-nuclei")]
    assert len(lines) == 1, answer[2]
    assert answer[1] == ""
    for word in words:
        assert word in lines[0]


def image_ids(path: Path, *rows: tuple[str, int, int, int]) -> Path:
    """Write a competition's list of images."""
    keys = ("file_name", "height", "width", "id")
    path.write_text(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
    return path
