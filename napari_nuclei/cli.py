"""The command line: arguments, exit codes, messages. What commands do lives elsewhere.

Here: the parser, and the one place where an error becomes a line on stderr. Not here: the
commands' bodies (`commands.py`). Importing this loads neither numpy nor torch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from .errors import UserError

DONE, SOME_FAILED, BAD_USE = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USE, f"{self.prog}: {message}. See {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 some inputs failed, 2 bad use."""
    options = parser().parse_args(arguments)
    if options.command is None:
        parser().print_help()
        return BAD_USE
    from . import commands

    if isinstance(sys.stdout, TextIOWrapper):  # a terminal may not know every letter
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = getattr(commands, options.command)(options)
        sys.stdout.flush()
    except UserError as error:
        print(f"napari-nuclei: {error}", file=sys.stderr)
        return BAD_USE
    except BrokenPipeError:  # the reader of our output has gone away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
        return SOME_FAILED
    except KeyboardInterrupt:
        print("\nnapari-nuclei: stopped.", file=sys.stderr)
        return 130
    return code


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    top = _Parser(
        prog="napari-nuclei",
        description="Segment nuclei, correct them in napari, export COCO JSON, train on it.",
    )
    top.add_argument("--version", action="version", version=_version())
    add = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser).add_parser
    add("demo", help="segment a sample image; open it in napari if there is a screen")
    _segment(add("segment", help="segment images"))
    _evaluate(add("evaluate", help="score predictions against the truth"))
    _train(add("train", help="train a model by a recipe"))
    _models(add("models", help="list models, or show one's card"))
    return top


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-nuclei")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _segment(p: argparse.ArgumentParser) -> None:
    p.add_argument("paths", nargs="+", metavar="PATH", help="an image, a folder, or a pattern")
    p.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="file, or folder for labels"
    )
    p.add_argument(
        "--format",
        choices=("coco", "results", "labels"),
        default="coco",
        help="coco: data set with RLE masks (default); results: competition answer; "
        "labels: one label TIFF an image",
    )
    p.add_argument("--model", default=None, metavar="NAME|FILE", help="default: the one in use")
    p.add_argument(
        "--score",
        type=_share,
        metavar="S",
        help="lowest score to export (default: the model card's threshold; 0.05 for results)",
    )
    p.add_argument(
        "--image-ids",
        type=Path,
        metavar="JSON",
        help="list of images with their ids: exactly these are segmented",
    )
    p.add_argument(
        "--diameter",
        type=_diameter,
        metavar="PX|auto",
        help="diameter of a typical nucleus in px of the image (default: auto)",
    )
    p.add_argument("--plane", type=_whole, metavar="N", help="plane of a stack, counted from 0")
    p.add_argument(
        "--channels", type=_channels, metavar="N,…", help="channels of an image, counted from 0"
    )
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    p.add_argument("--overlay", type=Path, metavar="DIR", help="write pictures with outlines here")
    p.add_argument("--json", action="store_true", help="print a summary as JSON")


def _evaluate(p: argparse.ArgumentParser) -> None:
    p.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO data set")
    p.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS.json", help="COCO data set or results"
    )
    p.add_argument(
        "--score",
        type=_share,
        default=0.5,
        metavar="S",
        help="the figures other than AP use predictions from this score on (default: 0.5)",
    )
    p.add_argument(
        "--max-detections",
        type=_count,
        nargs="+",
        default=[2000],
        metavar="N",
        help="detections of an image that AP looks at (default: 2000); several give AP for each",
    )
    p.add_argument("--json", action="store_true", help="print the figures as JSON")


def _train(p: argparse.ArgumentParser) -> None:
    p.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    p.add_argument("--data", type=Path, metavar="DIR", help="folder that the recipe's data lie in")
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of checkpoints and the model")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    p.add_argument("--minutes", type=_positive, metavar="M", help="time budget")


def _models(p: argparse.ArgumentParser) -> None:
    p.add_argument("action", nargs="?", choices=("list", "show"), default="list")
    p.add_argument("name", nargs="?", help="of the model to show")
    p.add_argument("--json", action="store_true", help="print the card as JSON")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _count(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _channels(text: str) -> list[int]:
    return [_whole(part) for part in text.split(",")]


def _diameter(text: str) -> float | None:
    return None if text == "auto" else _positive(text)
