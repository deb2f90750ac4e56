"""What the commands of the command line do, told to a terminal.

Here: joining the library's parts and speaking to a person. Not here: arguments (`cli.py`),
anything that a script would want to call.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .progress import Progress

if TYPE_CHECKING:
    from .batch import Failed, Segmented
    from .output import Output


def say(text: str) -> None:
    """Tell a person something; stdout stays for results."""
    print(text, file=sys.stderr)


def shown(steps: Iterator[Progress]) -> Iterator[Progress]:
    """Draw a progress bar while passing the steps on; quiet if it takes under a second."""
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, bar_format=form, delay=1, leave=False, disable=None) as bar:
        for step in steps:
            bar.set_description_str(step.message[:40], refresh=False)
            if step.total:
                bar.update(max(0.0, step.done / step.total - bar.n))
            yield step


# -- segment ----------------------------------------------------------------------------


def segment(options: Namespace) -> int:
    """Segment images into one file or a folder of label images."""
    from . import models
    from .batch import Failed, Segmented, Settings, segment_files
    from .images import find_images
    from .output import make_output

    paths = find_images(options.paths)
    score = 0.05 if options.score is None and options.format == "results" else options.score
    output = make_output(options.format, options.out, paths, options.image_ids, options.overlay)
    detector = models.load(options.model or _current(), options.device)
    say(f"Model {detector.card.name} ({detector.card.licence}) on {detector.device}.")
    settings = Settings(score, options.diameter, options.plane, options.channels, output.sizes)
    begun, failed = time.monotonic(), []
    stopped = False
    try:
        for step in shown(segment_files(output.paths, detector, settings)):
            new = step.new
            if isinstance(new, Segmented):
                new = _added(output, new)
            if isinstance(new, Failed):
                failed.append(new)
                say(f"napari-nuclei: {new.reason}")
    except KeyboardInterrupt:  # what is done is not lost
        stopped = True
    written = output.close() if output.done else []
    seconds = time.monotonic() - begun
    place = options.out if written else "nothing is written"
    say(
        f"{output.done} of {len(output.paths)} images, {output.count} nuclei, "
        f"{seconds:.1f} s → {place}"
    )
    for line in output.remarks:
        say(line)
    if options.json:
        summary = {
            "images": output.done,
            "nuclei": output.count,
            "seconds": round(seconds, 2),
            "model": detector.card.name,
            "written": [str(path) for path in written],
            "failed": [{"path": str(f.path), "reason": f.reason} for f in failed],
        }
        print(json.dumps(summary))
    if stopped:
        raise KeyboardInterrupt
    if not failed:
        return 0
    return 1 if output.done else 2


def _added(output: Output, done: Segmented) -> Failed | None:
    """Hand an image on; what cannot be written does not stop the others."""
    from .batch import Failed

    try:
        output.add(done)
    except UserError as error:
        return Failed(done.path, str(error))
    return None


def _current() -> str:
    from .models.registry import current

    return current().name


# -- evaluate ---------------------------------------------------------------------------


def evaluate(options: Namespace) -> int:
    """Print the figures of predictions against the truth."""
    from .score import score_files

    figures = score_files(
        options.truth, options.predictions, options.score, options.max_detections
    ).to_json()
    print(json.dumps(figures) if options.json else _table(figures))
    return 0


def _table(figures: dict[str, Any]) -> str:
    columns = {"all": figures, **figures.get("by_modality", {})}
    rows = [name for name, value in figures.items() if isinstance(value, int | float)]
    width = max(12, *(len(c) + 2 for c in columns))
    lines = [" " * 18 + "".join(f"{c:>{width}}" for c in columns)]
    for row in rows:
        cells = (_cell(values.get(row)) for values in columns.values())
        lines.append(f"{row:<18}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)


# -- train, models ----------------------------------------------------------------------


def train(options: Namespace) -> int:
    """Train a model and pack it."""
    from .learn.recipe import read_recipe
    from .learn.run import train as run

    changes: dict[str, Any] = {}
    if options.minutes:
        changes["schedule"] = {"minutes": options.minutes}
    if options.out:
        changes["out"] = options.out
    recipe = read_recipe(options.recipe, changes)
    last = ""
    for step in shown(run(recipe, options.data, options.device, options.resume)):
        if isinstance(step.new, str) and step.new != last:
            last = step.new
            say(last)
    return 0


def models(options: Namespace) -> int:
    """List models, or show a card."""
    from .models.registry import DEFAULT, cards, current, find

    if options.action == "show":
        card = find(options.name) if options.name else current()
        print(json.dumps(card.model_dump()) if options.json else _described(card))
        return 0
    if options.name:
        raise UserError(f"models list takes no name; try: napari-nuclei models show {options.name}")
    known = cards()
    if options.json:
        print(json.dumps([card.model_dump() for card in known]))
        return 0
    if not known:
        say("There are no models here: train one, or install napari-nuclei again.")
    for card in known:
        print(f"{'*' if card.name == DEFAULT else ' '} {card.name:<20} {card.licence}")
        print(f"    {card.description}")
    return 0


def _described(card: Any) -> str:
    lines = [
        card.name,
        card.description,
        f"licence      {card.licence}",
        f"data         {card.data}",
    ]
    lines.append(f"threshold    {card.threshold:.2f}")
    for name, figures in card.scores.items():
        parts = (f"{k} {v:.3f}" for k, v in figures.items() if isinstance(v, float))
        lines.append(f"{name}: {', '.join(parts)}")
    lines.append(f"sha256       {card.sha256}")
    return "\n".join(lines)


# -- demo -------------------------------------------------------------------------------


def demo(_options: Namespace) -> int:
    """Segment the crowded histology sample, write its answer, open it if there is a screen."""
    from . import models
    from .batch import Failed, segment_files
    from .output import make_output
    from .resources import resource_folder

    image = resource_folder("sample_data") / "histology_crowded_1.png"
    detector = models.load(_current())
    say(f"Model {detector.card.name} ({detector.card.licence}) on {detector.device}.")
    output = make_output("results", Path("answer.json"), [image], None, Path())
    results = [s.new for s in shown(segment_files([image], detector)) if s.new is not None]
    result = results[0]
    if isinstance(result, Failed):
        raise UserError(result.reason)
    output.add(result)
    written = output.close()
    say(f"{output.count} nuclei → {' and '.join(str(p) for p in written)}")
    if not has_screen():
        say("There is no screen here, so napari stays closed.")
        return 0
    try:
        from ._napari.launch import open_window

        open_window(result.path, result.pixels, result.nuclei)
    except ImportError as error:  # there is no Qt, or one that does not work here
        say(f"napari stays closed: {' '.join(str(error).split())}")
    return 0


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
