"""`segment`: images into one file or a folder of label images."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..formats.registry import WRITABLE
from .arguments import channels, diameter, share, whole
from .terminal import say, shown

if TYPE_CHECKING:
    from ..batch import Failed, Segmented
    from ..output import Output


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("paths", nargs="+", metavar="PATH", help="an image, a folder, or a pattern")
    p.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="file, or folder for labels"
    )
    p.add_argument(
        "--format",
        choices=WRITABLE,
        default="coco",
        metavar="FORMAT",
        help="coco: data set with RLE masks (default); results: competition answer; "
        f"or {', '.join(name for name in WRITABLE if name not in ('coco', 'results'))}",
    )
    p.add_argument("--model", default=None, metavar="NAME|FILE", help="default: the one in use")
    p.add_argument(
        "--score",
        type=share,
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
        type=diameter,
        metavar="PX|auto",
        help="diameter of a typical nucleus in px of the image (default: auto)",
    )
    p.add_argument("--plane", type=whole, metavar="N", help="plane of a stack, counted from 0")
    p.add_argument(
        "--channels", type=channels, metavar="N,…", help="channels of an image, counted from 0"
    )
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    p.add_argument("--overlay", type=Path, metavar="DIR", help="write pictures with outlines here")
    p.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(options: Namespace) -> int:
    """Segment images into one file or a folder of label images."""
    from .. import models
    from ..batch import Failed, Segmented, Settings, segment_files
    from ..images import find_images
    from ..models.registry import current
    from ..output import make_output

    paths = find_images(options.paths)
    score = 0.05 if options.score is None and options.format == "results" else options.score
    output = make_output(options.format, options.out, paths, options.image_ids, options.overlay)
    detector = models.load(options.model or current().name, options.device)
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
    from ..batch import Failed

    try:
        output.add(done)
    except UserError as error:
        return Failed(done.path, str(error))
    return None
