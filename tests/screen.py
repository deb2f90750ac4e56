"""The screen that tests draw on: an Xvfb for each process, so that none takes another's focus."""

from __future__ import annotations

import os
import shutil
import sys

SIZE = "1600x1200x24"
_NAMES = ("DISPLAY", "WAYLAND_DISPLAY")
_KEEPER = """Xvfb -displayfd 1 -screen 0 "$0" -nolisten tcp -noreset 2>/dev/null &
exec >&-
read -r _
kill $!"""


def has_screen() -> bool:
    """Whether a window can be drawn on."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in _NAMES)


def has_own() -> bool:
    """Whether each process can have a screen of its own."""
    return (
        sys.platform == "linux"
        and "QT_QPA_PLATFORM" not in os.environ
        and shutil.which("Xvfb") is not None
    )


def start() -> bool:
    """Start an X server on a number that is free, and draw on it from now on.

    It ends when this process is gone, however it goes, and not before: Qt and OpenGL end a process
    whose server dies.
    """
    held, _kept_open = os.pipe()
    answer, said = os.pipe()
    os.posix_spawnp(
        "sh", ["sh", "-c", _KEEPER, SIZE], os.environ, setsid=True,  # out of the way of Ctrl+C
        file_actions=[(os.POSIX_SPAWN_DUP2, held, 0), (os.POSIX_SPAWN_DUP2, said, 1)],
    )  # fmt: skip
    os.close(held)
    os.close(said)
    with os.fdopen(answer) as lines:
        number = lines.readline().strip()  # nothing where it ends without one
    if not number:
        sys.stderr.write("Xvfb does not start here: run it by hand to see why\n")
        return False
    os.environ.pop("WAYLAND_DISPLAY", None)
    os.environ["DISPLAY"] = f":{number}"
    return True
