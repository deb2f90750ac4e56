"""`evaluate`: the figures of predictions against the truth."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from ..errors import UserError
from .arguments import count, share, source, strict, table
from .terminal import say


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument(
        "truth", type=source, metavar="TRUTH.json", help="COCO data set; - reads it from stdin"
    )
    p.add_argument(
        "predictions",
        type=source,
        metavar="PREDICTIONS.json",
        help="COCO data set or results; - reads them from stdin",
    )
    p.add_argument(
        "--score",
        type=share,
        default=0.5,
        metavar="S",
        help="figures other than AP use predictions with at least this score (default: 0.5)",
    )
    p.add_argument(
        "--max-detections",
        type=count,
        nargs="+",
        default=[2000],
        metavar="N",
        help="detections per image that AP considers (default: 2000); several give AP for each",
    )
    p.add_argument(
        "--per-image",
        type=table,
        metavar="FILE.csv",
        help="also write the figures of each image, one row per image",
    )
    strict(p)
    p.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(options: Namespace) -> int:
    """Print the figures of predictions against the truth."""
    from ..batch.writable import check_writable
    from ..scoring.per_image import write_csv
    from ..scoring.scoring import score_files
    from ..streams import STDIN

    if options.truth == options.predictions == STDIN:
        raise UserError("truth and predictions cannot both come from stdin: name a file for one")
    if options.per_image:
        check_writable(options.per_image)
    remarks: list[str] = []
    figures = score_files(
        options.truth,
        options.predictions,
        options.score,
        options.max_detections,
        None if options.strict else remarks,
    )
    for remark in remarks:
        say(remark)
    if options.per_image:
        write_csv(options.per_image, figures.by_image)
    print(json.dumps(figures.to_json()) if options.json else _table(figures.to_json()))
    return 0


def _table(figures: dict[str, Any]) -> str:
    columns = {"all": figures, **figures.get("by_modality", {})}
    rows = [name for name, value in figures.items() if isinstance(value, int | float)]
    width = max(12, *(len(c) + 2 for c in columns))
    first = max(18, *(len(row) + 1 for row in rows))
    lines = [" " * first + "".join(f"{c:>{width}}" for c in columns)]
    for row in rows:
        cells = (_cell(values.get(row)) for values in columns.values())
        lines.append(f"{row:<{first}}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
