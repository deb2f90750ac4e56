"""What a run over many images has finished, kept beside its output until all of it is done."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..atomic_files import unwritable
from ..errors import UserError
from ..formats import coco
from ..formats.coco_reader import from_json
from ..formats.dataset import DataSet
from ..nuclei import ImageRecord, Nuclei

ENDING = ".unfinished.jsonl"


def place_beside(out: Path) -> Path:
    """Return where what is finished is kept for an output: in its folder, or beside its file."""
    return out / ENDING if out.is_dir() else out.with_name(out.name + ENDING)


class Finished:
    """The images that earlier runs of the same command have finished.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    settings : dict
        All that the nuclei found depend on besides the image, as plain values. What was
        finished under others does not count.

    Notes
    -----
    A line that a killed run has left half written ends the file: it and what follows do not
    count, and are overwritten.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        said = json.dumps(
            {**settings, "version": version("napari-nuclei")}, sort_keys=True, default=str
        )
        self.key = hashlib.sha256(said.encode()).hexdigest()
        self._rows: dict[str, tuple[list[int], int, int]] = {}
        self._end = 0
        with suppress(OSError), path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") or not self._read(line):
                    break
                self._end += len(line)

    def __len__(self) -> int:
        return len(self._rows)

    def _read(self, line: bytes) -> bool:
        try:
            row = json.loads(line)
            if row["settings"] == self.key:
                self._rows[row["file"]] = row["state"], self._end, len(line)
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def get(self, path: Path) -> tuple[Nuclei, float] | None:
        """Return the nuclei and the diameter of an image that is finished and unchanged."""
        state, place, length = self._rows.get(str(path.absolute()), (None, 0, 0))
        if state is None or state != state_of(path):
            return None
        try:
            with self.path.open("rb") as file:
                file.seek(place)
                row = json.loads(file.read(length))
            data = from_json(row["data"], str(self.path))
            return data.of(data.images[0]), float(row["diameter"])
        except (OSError, UserError, KeyError, IndexError, TypeError, ValueError):
            return None

    def add(self, path: Path, nuclei: Nuclei, diameter: float) -> None:
        """Note that an image is finished.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        state = state_of(path)
        record = ImageRecord(1, path.name, *nuclei.shape)
        row = {
            "settings": self.key,
            "file": str(path.absolute()),
            "state": state,
            "diameter": diameter,
            "data": coco.to_json(DataSet([record], {1: nuclei})),
        }
        line = json.dumps(row).encode() + b"\n"
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                file.truncate(self._end)
                file.seek(self._end)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from None
        if state is not None:
            self._rows[str(path.absolute())] = state, self._end, len(line)
        self._end += len(line)

    def remove(self) -> None:
        """Forget all of it: the run is complete."""
        self.path.unlink(missing_ok=True)


def state_of(path: Path) -> list[int] | None:
    """Return what tells that a file has changed: its size and time; None if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]
