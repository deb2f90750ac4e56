"""Types of arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import checks
from ..errors import UserError


def number(text: str) -> float:
    """Parse a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def whole(text: str) -> int:
    """Parse a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def positive(text: str) -> float:
    """Parse a number above 0."""
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def count(text: str) -> int:
    """Parse a whole number above 0."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def channels(text: str) -> list[int]:
    """Parse whole numbers between commas."""
    return [whole(part) for part in text.split(",")]


def diameter(text: str) -> float | None:
    """Parse px, or ``auto``: None."""
    return None if text == "auto" else positive(text)


def table(text: str) -> Path:
    """Parse the path of a CSV file, so that no other file is replaced by one."""
    path = Path(text)
    if path.suffix.lower() not in {".csv", ""}:
        raise argparse.ArgumentTypeError(f"{text}: the table is written as CSV: name a .csv file")
    return path


def strict(p: argparse.ArgumentParser) -> None:
    """Add the option that every command has which reads files of nuclei."""
    p.add_argument(
        "--strict",
        action="store_true",
        help="refuse a file with a broken entry (default: it is left out or repaired, and "
        "reported)",
    )


def device(text: str) -> str:
    """Check the name of a device."""
    try:
        return checks.device(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def source(text: str) -> Path:
    """Parse the path of a file to read; ``-`` is what comes from stdin."""
    return Path("/dev/stdin" if text == "-" else text)


def target(text: str) -> Path:
    """Parse the path of what is to be written; ``-`` is stdout."""
    return Path("/dev/stdout" if text == "-" else text)
