"""The screen that tests draw on: an Xvfb for each process, so that none takes another's focus."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

SIZE = "1600x1200x24"
_NAMES = ("DISPLAY", "WAYLAND_DISPLAY")


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


def start() -> subprocess.Popen[bytes] | None:
    """Start an X server on a number that is free, and draw on it from now on.

    Returns
    -------
    subprocess.Popen or None
        None where it says why it could not start.
    """
    ours, its = os.pipe()
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(its), "-screen", "0", SIZE, "-nolisten", "tcp", "-noreset"],
            pass_fds=[its], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,  # or Ctrl+C would end it before the tests have closed
        )  # fmt: skip
        os.close(its)
        with os.fdopen(ours) as answer:
            number = answer.readline().strip()  # nothing where it ends without one
        if not number:
            said.seek(0)
            sys.stderr.write(f"Xvfb did not start: {said.read().decode(errors='replace')}\n")
            server.wait()
            return None
    os.environ.pop("WAYLAND_DISPLAY", None)
    os.environ["DISPLAY"] = f":{number}"
    return server
