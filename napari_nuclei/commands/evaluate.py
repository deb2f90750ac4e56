"""`evaluate`: the figures of predictions against the truth."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .arguments import count, share, strict
from .terminal import say


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO data set")
    p.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS.json", help="COCO data set or results"
    )
    p.add_argument(
        "--score",
        type=share,
        default=0.5,
        metavar="S",
        help="the figures other than AP use predictions from this score on (default: 0.5)",
    )
    p.add_argument(
        "--max-detections",
        type=count,
        nargs="+",
        default=[2000],
        metavar="N",
        help="detections of an image that AP looks at (default: 2000); several give AP for each",
    )
    strict(p)
    p.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(options: Namespace) -> int:
    """Print the figures of predictions against the truth."""
    from ..scoring.scoring import score_files

    remarks: list[str] = []
    figures = score_files(
        options.truth,
        options.predictions,
        options.score,
        options.max_detections,
        None if options.strict else remarks,
    ).to_json()
    for remark in remarks:
        say(remark)
    print(json.dumps(figures) if options.json else _table(figures))
    return 0


def _table(figures: dict[str, Any]) -> str:
    columns = {"all": figures, **figures.get("by_modality", {})}
    rows = [name for name, value in figures.items() if isinstance(value, int | float)]
    width = max(12, *(len(c) + 2 for c in columns))
    lines = [" " * 18 + "".join(f"{c:>{width}}" for c in columns)]
    for row in rows:
        cells = (_cell(values.get(row)) for values in columns.values())
        lines.append(f"{row:<18}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
