"""`retrain`: a model on what a person has reviewed, kept only if it is better.

With ``--lines``, stdout has one JSON object a line, in UTF-8, each written at once. Its key
``event`` says what it is:

- ``plan``: what is learned from, which tiles are locked
- ``progress``: ``done``, ``total`` (0: not known yet), ``message``, ``left`` (seconds, or null)
- ``loss``: the losses of a step
- ``validation``: F1 on the tiles that are chosen by
- ``told``: a ``text`` for a person
- ``report``: what ``--json`` prints; the last one, if all went well
- ``error``: a ``text`` for a person; the last one, if it did not

Killing the process cancels the run. The same command goes on from its last checkpoint. Where
nobody reads stdout any more, the run ends by itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checks import DEVICES
from ..errors import UserError
from ..progress import Progress
from ..wording import Place, counted, read_here
from .arguments import device, positive, strict
from .terminal import say, shown

if TYPE_CHECKING:
    from ..learn.keeping import Report

EVERY = 0.3
"""Seconds between two lines that only say how far it is."""


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("coco", type=Path, metavar="COCO.json", help="reviewed data set")
    p.add_argument("--images", type=Path, required=True, metavar="DIR", help="its images")
    p.add_argument("--model", metavar="BASE", help="model to start from (default: the one in use)")
    p.add_argument("--name", default="", metavar="NEW", help="name of the new model")
    p.add_argument(
        "--minutes",
        type=positive,
        default=10,
        metavar="M",
        help="minutes for training and evaluation (default: 10)",
    )
    p.add_argument(
        "--replay",
        type=Path,
        metavar="COCO.json",
        help="data set of what the model must not forget; its images beside it or in images/ there",
    )
    p.add_argument("--device", type=device, default="auto", help=DEVICES)
    strict(p)
    output = p.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the report as JSON")
    output.add_argument(
        "--lines", action="store_true", help="print events as JSON, one object per line"
    )


def run(options: Namespace) -> int:
    """Retrain; 0 if the new model is accepted, 1 if it is refused."""
    _be_polite()
    if options.lines and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Whoever has lines read shows them in a window, which has no options.
    try:
        with read_here(Place.WINDOW if options.lines else Place.SHELL):
            report = _run(options)
    except UserError as error:
        if options.lines:
            _line({"event": "error", "text": str(error)})
        raise
    if report is None:  # one of several processes, not the first
        return 0
    if options.lines:
        _line({"event": "report", **report.to_json()})
    elif options.json:
        print(json.dumps(report.to_json()))
    else:
        print(_table(report))
    return 0 if report.verdict.accepted else 1


def _be_polite() -> None:
    """Let whatever the person does meanwhile go first."""
    import psutil

    with suppress(psutil.Error, OSError):  # where that is not allowed, it only is less polite
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else 10)


def _run(options: Namespace) -> Report | None:
    from ..models.registry import current

    _refuse_early(options)
    from ..learn.job import RetrainJob
    from ..learn.retrain import retrain  # torch takes long to load

    job = RetrainJob(
        options.coco,
        options.images,
        options.model or current().name,
        options.name,
        options.minutes,
        options.replay,
        strict=options.strict,
    )
    steps = retrain(job, options.device)
    kept: list[Report | None] = []

    def passing() -> Iterator[Progress]:
        kept.append((yield from steps))

    if options.lines:
        _tell_program(passing(), options.minutes * 60)
    elif os.environ.get("RANK", "0") != "0":
        for _ in passing():
            pass
    else:
        _tell_person(shown(passing()))
    return kept[0]


def _refuse_early(options: Namespace) -> None:
    """Refuse what is plainly not there."""
    from ..models import registry, versions
    from ..wording import worded

    registry.find(options.model) if options.model else registry.current()
    if options.name:
        versions.check_name(options.name)
    for path in (options.coco, options.replay):
        if path is not None and not path.is_file():
            raise UserError(f"cannot read {path}: there is no such file")
    if not options.images.is_dir():
        raise UserError(
            f"{options.images}: no such folder of images."
            + worded(" Name it with --images.", "", "")
        )


def _line(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _tell_program(steps: Iterator[Progress], budget: float) -> None:
    begun = time.monotonic()
    last = 0.0
    for step in steps:
        now = time.monotonic()
        if step.new is not None:
            _line(step.new)
        if now - last >= EVERY:
            last = now
            left = round(max(0.0, budget - (now - begun)), 1)
            _line(
                {
                    "event": "progress",
                    "done": round(step.done, 3),
                    "total": round(step.total, 3),
                    "message": step.message,
                    "left": left,
                }
            )


def _tell_person(steps: Iterator[Progress]) -> None:
    for step in steps:
        event = step.new or {}
        match event.get("event"):
            case "plan":
                tiles = event["tiles"]
                locked = tiles["choosing"] + tiles["judging"] * tiles["apart"]
                say(
                    f"{event['base']} ({event['licence']}) → {event['name']}: "
                    f"{counted(event['images'], 'image')}, "
                    f"{counted(event['learned'], 'nucleus')} to learn from, {event['judged']:,} "
                    f"in {counted(locked, 'locked tile')} to evaluate on"
                )
            case "validation":
                say(f"step {event['step']}: F1 {event['f1_50']:.3f}")
            case "told":
                say(event["text"])


def _table(report: Report) -> str:
    from ..learn.gate import NAMES

    lines = [f"{'':<34}{'before':>9}{'after':>9}   change, 95 of 100"]
    parts = {"locked tiles": report.locked}
    parts |= {f"sample: {kind}": figures for kind, figures in report.sample.items()}
    for part, figures in parts.items():
        for name, s in figures.items():
            low, high = s.gain_range
            lines.append(
                f"{part + ', ' + NAMES[name]:<34}{s.before:>9.3f}{s.after:>9.3f}"
                f"   {low:+.3f} to {high:+.3f}"
            )
    kinds = [change.kind for change in report.changes]
    counts = ", ".join(
        f"{kinds.count(kind)} {words}"
        for kind, words in (
            ("found", "missed nuclei found"),
            ("lost", "lost"),
            ("mended", "false alarms gone"),
            ("false alarm", "new false alarms"),
        )
    )
    lines += ["", f"In the reviewed areas: {counts}."]
    word = "Accepted" if report.verdict.accepted else "Refused"
    lines += [f"{word}: {reason}." for reason in report.verdict.reasons]
    assert report.card is not None
    if report.verdict.accepted:
        lines.append(f"To use it: napari-nuclei models use {report.name}")
    else:
        lines.append(f"The old model stays in use. The new one is in {report.card.weights}")
    return "\n".join(lines)
