"""Speaking to a person at a terminal: lines, bars, screens."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec

from ..errors import UserError
from ..progress import Progress


def say(text: str) -> None:
    """Tell a person something; stdout stays for results."""
    # Names of files may have letters that no terminal knows, and nobody may be listening.
    with suppress(BrokenPipeError):
        print(text.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)


def shown(steps: Iterator[Progress]) -> Iterator[Progress]:
    """Draw a progress bar while passing the steps on; quiet if it takes under a second."""
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, bar_format=form, delay=1, leave=False, disable=None) as bar:
        for step in steps:
            words = step.message[:40].encode("utf-8", "backslashreplace").decode()
            bar.set_description_str(words, refresh=False)
            if step.total:
                bar.update(max(0.0, step.done / step.total - bar.n))
            yield step


BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")


def has_screen() -> bool:
    """Whether a window can be seen."""
    return not no_window()


def no_window() -> str:
    """Say why no window can be seen, and what helps; empty if one can."""
    missing = not any(map(find_spec, BINDINGS))
    qt = 'Qt, which napari needs for its window, is missing: pip install "napari-nuclei[all]"'
    hidden = os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal")
    if hidden or platform.system() != "Linux":
        return qt if missing else "QT_QPA_PLATFORM is set to show no window" * hidden
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no screen here" + f", and {qt}" * missing
    if missing:
        return qt
    # A display that is named but gone makes Qt abort: find that out in another process.
    probe = "from qtpy.QtGui import QGuiApplication; QGuiApplication([])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    if not done.returncode:
        return ""
    if "Error" in (last := (done.stderr.strip().splitlines() or [""])[-1]):  # of the import
        return f"Qt does not work here ({last}): install what it lacks"
    name = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return f"no window can be opened on the screen {name!r}"


def refuse_two_answers(options: Namespace) -> None:
    """Refuse a file and a summary that would both go to stdout."""
    from ..streams import name_of

    if options.json and name_of(options.out) == "stdout":
        raise UserError("--json and --out both go to stdout here: omit one of them")
