"""Snapshots: the state in the middle of a journal, so that opening need not replay it all."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..collector import without_collector
from ..errors import ReviewError
from ..nuclei import Nuclei
from ..nuclei.history import History
from .journal import CHECKED, Row, snapshot_of
from .lines import DAMAGE, Replayed, nuclei_of, replay


@dataclass(slots=True)
class Snapshot:
    """The nuclei after a number of lines, and `row`, which says how many."""

    row: Row
    nuclei: Nuclei


def scan(data: bytes, begin: int, count: int) -> tuple[list[Row], list[int]]:
    """Read lines up to the first that is none; where each ends."""
    rows: list[Row] = []
    ends: list[int] = []
    while (end := data.find(b"\n", begin)) >= 0:
        try:
            row = json.loads(data[begin:end])
            if row["n"] != count + len(rows) + 1:
                break
        except DAMAGE:
            break
        rows.append(row)
        begin = end + 1
        ends.append(begin)
    return rows, ends


def snapshot_for(path: Path, data: bytes, id: str) -> Snapshot | None:
    """Read the snapshot, if there is one that fits the journal."""
    try:
        row = json.loads(snapshot_of(path).read_bytes())
        size = int(row["size"])
        if row["id"] != id or not CHECKED // 100 < size <= len(data):
            return None
        if row["check"] != zlib.crc32(data[max(0, size - CHECKED) : size]):
            return None
        (row["done"][0], row["undone"][0], row["count"], row["image"])
        return Snapshot(row, nuclei_of(row["nuclei"]))
    except (OSError, *DAMAGE):
        return None


def from_snapshot(path: Path, snapshot: Snapshot) -> Replayed:
    """Return the state of a snapshot, with a history that is read when it is asked for."""
    older: list[Replayed] = []

    def load() -> Replayed:
        if not older:
            older.append(_beginning_of(path, snapshot.row["size"]))
        return older[0]

    (done, last), (undone, last_undone) = snapshot.row["done"], snapshot.row["undone"]
    return Replayed(
        snapshot.nuclei,
        History((), done, lambda: load().done, last),
        History((), undone, lambda: load().undone, last_undone),
    )


def _beginning_of(path: Path, size: int) -> Replayed:
    """Replay the part of a journal that a snapshot stands for."""
    try:
        with without_collector(), path.open("rb") as stream:
            data = stream.read(size)
            first = data.find(b"\n") + 1
            state = Replayed(nuclei_of(json.loads(data[:first])["start"]))
            rows, _ = scan(data, first, 0)
            if replay(rows, state) == len(rows):
                return state
    except (OSError, *DAMAGE):
        pass
    raise ReviewError(f"The older history in {path} cannot be read; the nuclei are all there.")


def peek(path: Path) -> Nuclei | None:
    """Return the nuclei that a journal leads to, without opening it; None if there are none.

    Raises
    ------
    UserError
        If it cannot be read, or only in part: a line that is not yet written whole does not count.
    """
    try:
        with without_collector():
            data = path.read_bytes()
            first = data.find(b"\n") + 1
            if not first:
                return None
            header = json.loads(data[:first])
            found = snapshot_for(path, data, header["id"])
            if found is None:
                state = Replayed(nuclei_of(header["start"]))
                begin, count = first, 0
            else:
                state = from_snapshot(path, found)
                begin, count = found.row["size"], found.row["count"]
            rows, ends = scan(data, begin, count)
            if replay(rows, state) < len(rows) or b"\n" in data[ends[-1] if ends else begin :]:
                raise ValueError("damaged")
            return state.nuclei
    except FileNotFoundError:
        return None
    except (OSError, *DAMAGE) as error:
        raise ReviewError(
            f"The review {path} cannot be read: open its image to repair it."
        ) from error
