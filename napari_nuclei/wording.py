"""Words for the place where they are read (the shell, Python, the window), and for numbers.

Whoever calls from Python or from the window says so; all else is the shell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum


class Place(Enum):
    """Where a person reads what is said."""

    SHELL = 0
    PYTHON = 1
    WINDOW = 2


_place: ContextVar[Place] = ContextVar("place", default=Place.SHELL)

_OPTIONS = {
    "plane": ("--plane", "plane=", "the slider below the image"),
    "channels": ("--channels", "channels=", "Channels in the panel"),
    "device": ("--device", "device=", "Device in the panel"),
    "name": ("--name", "name=", "Name in the panel"),
}


def read_in(place: Place) -> None:
    """Speak to a person in this place from now on, on this thread."""
    _place.set(place)


@contextmanager
def read_here(place: Place) -> Iterator[None]:
    """Speak to a person in this place for a while; decorates functions too."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


def worded(shell: str, python: str, window: str) -> str:
    """Return the words for the present place."""
    return (shell, python, window)[_place.get().value]


def option(name: str) -> str:
    """Return what an option of the command line is called in the present place."""
    return worded(*_OPTIONS[name])


def counted(number: int, thing: str, things: str = "") -> str:
    """Say how many there are of something: ``1 nucleus``, ``2,000 nuclei``.

    Parameters
    ----------
    thing, things : str
        One and many of them; the second is made of the first if it is not given.
    """
    return f"{number:,} {thing if number == 1 else things or _many(thing)}"


def px(shape: tuple[int, int]) -> str:
    """Say how large an image of (height, width) is, in px, height first as everywhere."""
    return f"{shape[0]}×{shape[1]} px (height × width)"


def are(number: int) -> str:
    """Return the verb for so many."""
    return "is" if number == 1 else "are"


def _many(thing: str) -> str:
    first, space, last = thing.rpartition(" ")
    if last == "nucleus":
        last = "nuclei"
    elif last.endswith("y"):
        last = f"{last[:-1]}ies"
    else:
        last = f"{last}s"
    return f"{first}{space}{last}"
