"""Arguments of functions for scripts, checked in the words of the command line."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from .errors import UserError

DEVICES = "auto, cpu, cuda, cuda:N or mps"


def number(value: Any, name: str) -> float:
    """Return a number; `name` is the argument's."""
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise UserError(f"{name}: {value!r} is not a number")


def share(value: Any, name: str) -> float:
    """Return a number from 0 to 1."""
    if not 0 <= number(value, name) <= 1:
        raise UserError(f"{name}: {value} is not between 0 and 1")
    return float(value)


def positive(value: Any, name: str) -> float:
    """Return a number above 0."""
    if not 0 < number(value, name) < math.inf:
        raise UserError(f"{name}: {value} is not a positive number")
    return float(value)


def whole(value: Any, name: str) -> int:
    """Return a whole number."""
    try:
        return operator.index(value)
    except TypeError:
        raise UserError(f"{name}: {value!r} is not a whole number") from None


def count(value: Any, name: str) -> int:
    """Return a whole number above 0."""
    if whole(value, name) < 1:
        raise UserError(f"{name}: {value} is not a positive number")
    return whole(value, name)


def several(value: Any, name: str, one: Callable[[Any, str], int]) -> list[int]:
    """Return a list of one or more, each checked by `one`."""
    rows = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return [one(row, name) for row in rows]


def device(value: Any) -> str:
    """Return the name of a device; whether it is there is found out later."""
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise UserError(f"there is no device {value!r} here. Choose one of: {DEVICES}.")
    return value
