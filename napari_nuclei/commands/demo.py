"""`demo`: a sample image segmented, its answer written, and opened if there is a screen."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import UserError
from ..wording import counted
from .terminal import no_window, say, shown


def arguments(p: ArgumentParser) -> None:
    """Take none."""


def run(_options: Namespace) -> int:
    """Segment the crowded histology sample, write its answer, open it if there is a screen."""
    from .. import models
    from ..batch.batch import Failed, segment_files
    from ..batch.output import make_output
    from ..models.registry import current
    from ..resources import resource_folder

    image = resource_folder("sample_data") / "histology_crowded_1.png"
    detector = models.load(current().name)
    say(f"Model {detector.card.name} ({detector.card.licence}) on {detector.device}.")
    output = make_output("results", Path("answer.json"), [image], None, Path())
    results = [s.new for s in shown(segment_files([image], detector)) if s.new is not None]
    result = results[0]
    if isinstance(result, Failed):
        raise UserError(result.reason)
    output.add(result)
    written = output.close()
    say(f"{counted(output.count, 'nucleus')} → {' and '.join(str(p) for p in written)}")
    if reason := no_window():
        say(f"napari was not opened: {reason}.")
        return 0
    try:
        from .._napari.launch import open_window

        open_window(result.path, result.pixels, result.nuclei)
    except ImportError as error:  # there is no Qt, or one that does not work here
        reason = " ".join(str(error).split())
        say(f"napari was not opened: {reason}. Install napari-nuclei[all].")
    return 0
