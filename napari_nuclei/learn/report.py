"""The table of experiments: as Markdown, CSV and JSON.

No torch here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..atomic_files import replacing, unwritable, write_json
from ..errors import TrainingError
from ..models.card import Card
from .disturb import CHANGES, PLAIN
from .experiments import Run
from .figures import ALL

BEGIN = "<!-- experiments: everything from here to the end mark is written by the command -->"
END = "<!-- experiments: end -->"

FIGURES = {
    "ap50_max100": "AP50, 100",
    "ap50": "AP50",
    "ap": "AP",
    "f1_50": "F1 at 0.5",
    "f1_50_mean": "F1, mean of images",
    "f1_75": "F1 at 0.75",
    "jaccard50": "jaccard50",
    "dsb_map": "dsb_map",
    "pq": "PQ",
    "aji": "AJI",
    "aji_plus": "AJI+",
    "seconds": "s/image",
}
"""Columns of the tables: figure → heading."""

Cells = Sequence[object]


def markdown(runs: Sequence[Run]) -> str:
    """Return all tables."""
    plain = [run for run in runs if run.change == PLAIN]
    parts = [
        *_section("Models", _models(runs)),
        *_section("Images as they are", _figures(plain)),
        *_section("The 100 most confident nuclei of each image", _top(plain)),
        *_section("Calibration", _calibration(plain)),
        *_section("Images made worse", _robustness(runs)),
        *_section("Estimated diameters", _diameters(runs)),
    ]
    machines = sorted({run.machine for run in runs})
    return "\n".join([*parts, f"Predictions made on: {'; '.join(machines)}.", ""])


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"### {title}", "", *lines, ""] if lines else []


def table(head: Cells, rows: Iterable[Cells]) -> list[str]:
    """Return the lines of a Markdown table; no lines without rows."""
    body = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if not body:
        return []
    return [f"| {' | '.join(map(_cell, head))} |", f"|{'---|' * len(head)}", *body]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _models(runs: Sequence[Run]) -> list[str]:
    cards = {run.card.sha256 or run.card.name: run.card for run in runs}.values()
    head = ("model", "trunk", "learned from", "steps", "hours", "machine", "threshold", "licence")
    return table(head, (tuple(_model(card).values()) for card in cards))


def _model(card: Card) -> dict[str, Any]:
    said = card.training
    return {
        "model": card.name,
        "trunk": card.architecture.get("trunk"),
        "data": f"{card.data}; from {card.base}" if card.base else card.data,
        "steps": said.get("steps"),
        "hours": said.get("hours"),
        "machine": said.get("machine"),
        "threshold": card.threshold,
        "licence": card.licence,
    }


def _figures(runs: Sequence[Run]) -> list[str]:
    head = ("model", "data", "kind", "images", *FIGURES.values())
    return table(
        head,
        (
            (run.card.name, run.source.label, kind, row["images"], *(row[f] for f in FIGURES))
            for run in runs
            for kind, row in run.judgement.figures.items()
        ),
    )


def _top(runs: Sequence[Run]) -> list[str]:
    head = ("model", "data", "precision at IoU 0.5", "AP50, 100", "with perfect masks")
    keys = ("precision_top100", "ap50_max100", "ap50_max100_ceiling")
    crowded = [r for r in runs if r.judgement.figures[ALL][keys[0]] is not None]
    lines = _overall(head, crowded, keys)
    remark = (
        "Precision is over images with at least 100 true nuclei. AP50 with 100 detections an "
        "image cannot exceed what perfect masks get."
    )
    return [remark, "", *lines] if lines else []


def _calibration(runs: Sequence[Run]) -> list[str]:
    head = ("model", "data", "error as shipped", "first half", "second half")
    keys = (
        "calibration_error",
        "calibration_error_first_half",
        "calibration_error_second_half",
    )
    lines = _overall(head, runs, keys)
    remark = (
        "Expected calibration error, all detections; each half of the images is judged with a "
        "calibration fitted on the other one."
    )
    return [remark, "", *lines] if lines else []


def _overall(head: Cells, runs: Sequence[Run], keys: Cells) -> list[str]:
    rows = ((r.card.name, r.source.label, r.judgement.figures[ALL]) for r in runs)
    return table(head, ((name, data, *(row[str(k)] for k in keys)) for name, data, row in rows))


def _robustness(runs: Sequence[Run]) -> list[str]:
    if all(run.change == PLAIN for run in runs):
        return []
    head = ("model", "data", "images", *FIGURES.values())
    ordered = sorted(runs, key=lambda r: _place(runs, r))
    rows = (
        (run.card.name, run.source.label, CHANGES[run.change].about, run.judgement.figures[ALL])
        for run in ordered
    )
    return table(head, ((*names, *(row[f] for f in FIGURES)) for *names, row in rows))


def _place(runs: Sequence[Run], run: Run) -> tuple[int, int]:
    """Sort key: by model and data set as they first came, then as the changes are listed."""
    pairs = list(dict.fromkeys((r.card.sha256, r.card.name, r.source.label) for r in runs))
    mine = (run.card.sha256, run.card.name, run.source.label)
    return pairs.index(mine), list(CHANGES).index(run.change)


def _diameters(runs: Sequence[Run]) -> list[str]:
    sized = [r for r in runs if r.change == PLAIN or CHANGES[r.change].zoom != 1]
    sized.sort(key=lambda r: (_place(runs, r)[0], CHANGES[r.change].zoom))
    head = ("model", "data", "images", "estimate / true median", "right within a quarter")
    rows = (
        (run.card.name, run.source.label, CHANGES[run.change].about, run.judgement.figures[ALL])
        for run in sized
    )
    keys = ("diameter_ratio", "diameter_near")
    return table(head, ((*names, *(row[k] for k in keys)) for *names, row in rows))


# -- files ------------------------------------------------------------------------------


def flat(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return one row a model, data set, change and kind of image, with all figures."""
    return [
        {
            **_model(run.card),
            "sha256": run.card.sha256,
            "set": run.source.label,
            "change": run.change,
            "kind": kind,
            "ran_on": run.machine,
            **row,
        }
        for run in runs
        for kind, row in run.judgement.figures.items()
    ]


def write_csv(path: Path, runs: Sequence[Run]) -> None:
    """Write all figures as CSV, whole or not at all."""
    rows = flat(runs)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["model"])
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def write_figures(path: Path, runs: Sequence[Run]) -> None:
    """Write all figures as JSON, whole or not at all: a list of what the CSV has as rows."""
    write_json(path, flat(runs))


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def splice(path: Path, text: str) -> None:
    """Put text between the two marks of a Markdown file; all else in it stays.

    Raises
    ------
    UserError
        If the file cannot be read, or has not both marks, in their order.
    """
    try:
        before = path.read_text(encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from None
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise TrainingError(f"{path}: needs the lines {BEGIN!r} and {END!r}, in this order.")
    write_text(path, f"{head}{BEGIN}\n\n{text.strip()}\n\n{END}{tail}")
