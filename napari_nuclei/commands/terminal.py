"""Speaking to a person at a terminal: lines, bars, screens. Not here: what commands do."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress

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


def has_screen() -> bool:
    """Whether a window could be seen."""
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    if platform.system() != "Linux":
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    # A display that is named but gone makes Qt abort: find that out in another process.
    probe = "from qtpy.QtGui import QGuiApplication; QGuiApplication([])"
    return not subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode


def refuse_two_answers(options: Namespace) -> None:
    """Refuse a file and a summary that would both go to stdout."""
    from ..formats.streams import name_of

    if options.json and name_of(options.out) == "stdout":
        raise UserError("--json and --out both go to stdout here: leave one of them out")
