"""`segment`: images into one file or a folder of label images."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..checks import DEVICES
from ..errors import UserError
from ..formats.registry import WRITABLE, offered
from ..wording import counted
from .arguments import channels, device, diameter, positive, share, source, target, whole
from .terminal import refuse_two_answers, say, shown

if TYPE_CHECKING:
    from ..batch.batch import Failed, Segmented, Settings
    from ..batch.output import Output
    from ..batch.resume import Finished
    from ..models.card import Card
    from ..progress import Progress

AHEAD = 2
"""Images that may wait to be written."""


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="an image, a folder, or a pattern; - reads an image from stdin",
    )
    p.add_argument(
        "--out",
        type=target,
        required=True,
        metavar="PATH",
        help="file, or folder for formats with one file per image; - for stdout",
    )
    p.add_argument(
        "--format",
        choices=WRITABLE,
        metavar="FORMAT",
        help="coco: data set with RLE masks; results: competition submission; or "
        f"{', '.join(name for name in offered() if name not in ('coco', 'results'))} "
        "(default: from the extension of --out; coco on stdout)",
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
        type=source,
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
    p.add_argument("--pixel-size", type=positive, metavar="UM", help="pixel size in µm")
    p.add_argument("--device", type=device, default="auto", help=DEVICES)
    p.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="share the work among the workers of this Dask cluster; local: start one here",
    )
    p.add_argument("--overlay", type=Path, metavar="DIR", help="write images with outlines here")
    p.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(options: Namespace) -> int:
    """Segment images into one file or a folder of label images."""
    from ..batch.output import make_output
    from ..batch.writable import refuse_same
    from ..formats.registry import by_ending, odd_ending, target_of
    from ..images.images import find_images
    from ..streams import at_rest, is_stream

    refuse_two_answers(options)
    with ExitStack() as stack:
        given = [source(path) if path == "-" else path for path in options.paths]
        left_out: list[str] = []
        paths = [stack.enter_context(at_rest(path)) for path in find_images(given, left_out)]
        refuse_same(options.out, paths)
        if options.format is None and is_stream(options.out) and not by_ending(options.out.name):
            options.format = "coco"
        format = target_of(options.out, options.format, "--format")
        options.format = format.name
        output = make_output(format.name, options.out, paths, options.image_ids, options.overlay)
        output.pixel_size, output.part = options.pixel_size, (options.plane, options.channels)
        for line in left_out:
            say(line)
        if odd := odd_ending(options.out, format):
            say(odd)
        machine = stack.enter_context(_machine(options))
        return _segment(options, output, machine)


def _segment(options: Namespace, output: Output, machine: _Machine) -> int:
    from ..batch.batch import Settings
    from ..batch.resume import Finished, place_beside
    from ..streams import is_stream, name_of

    card = machine.card
    say(f"Model {card.name} ({card.licence}) on {machine.where}.")
    hidden = options.format == "coco"  # the others hold what is shown
    score = 0.05 if options.score is None and options.format == "results" else options.score
    settings = Settings(
        score, hidden, options.diameter, options.plane, options.channels, output.sizes
    )
    finished = None
    if not is_stream(options.out):
        finished = Finished(place_beside(options.out), _what_counts(card, settings))
    begun = time.monotonic()
    steps = machine.segment_files(output.paths, settings, finished)
    failed, stopped = _through(output, steps, finished)
    written = output.close() if output.done else []
    failed.sort(key=lambda one: output.numbers[one.path])
    seconds = time.monotonic() - begun
    place = name_of(options.out) if written else "nothing is written"
    say(
        f"{output.done:,} of {counted(len(output.paths), 'image')}, "
        f"{counted(output.count, 'nucleus')}, "
        f"{seconds:.1f} s → {place}"
    )
    for line in output.remarks:
        say(line)
    if finished is not None and finished.path.exists() and not failed and not stopped:
        finished.remove()
    elif finished is not None and len(finished):
        say("Run the same command again to continue: finished images are not repeated.")
    if options.json:
        summary = {
            "images": output.done,
            "nuclei": output.count,
            "seconds": round(seconds, 2),
            "model": card.name,
            "written": [str(path) for path in written],
            "failed": [{"path": str(f.path), "reason": f.reason} for f in failed],
        }
        print(json.dumps(summary))
    if isinstance(stopped, KeyboardInterrupt):
        raise stopped
    if not failed and not stopped:
        return 0
    return 1 if output.done else 2


@dataclass(frozen=True, slots=True)
class _Machine:
    """What segments: this machine, or a cluster."""

    card: Card
    where: str
    segment_files: Callable[[Sequence[Path], Settings, Finished | None], Iterator[Progress]]


@contextmanager
def _machine(options: Namespace) -> Iterator[_Machine]:
    from ..models.registry import current

    model = options.model or current().name
    if options.scheduler is not None:
        from ..batch.cluster import Cluster
        from ..batch.sending import segment_files as on_cluster

        with Cluster(options.scheduler, model, options.device) as cluster:
            yield _Machine(cluster.card, cluster.where, partial(on_cluster, cluster))
        return
    from .. import models
    from ..batch.batch import segment_files

    detector = models.load(model, options.device)
    yield _Machine(
        detector.card,
        str(detector.device),
        lambda paths, settings, finished: segment_files(paths, detector, settings, finished),
    )


def _through(
    output: Output, steps: Iterator[Progress], finished: Finished | None
) -> tuple[list[Failed], BaseException | None]:
    """Write images while the next are segmented; return what failed, and what stopped it."""
    from ..batch.batch import Failed, Segmented

    failed: list[Failed] = []
    writing: deque[Future[Failed | None]] = deque()

    def note(problem: Failed | None) -> None:
        if problem is not None:
            failed.append(problem)
            say(f"napari-nuclei: {problem.reason}")

    try:
        with ThreadPoolExecutor(1, "write") as pool:
            for step in shown(steps):
                if isinstance(step.new, Segmented):
                    writing.append(pool.submit(_added, output, step.new, finished))
                elif isinstance(step.new, Failed):
                    note(step.new)
                # Not many wait to be written: each holds its pixels.
                while writing and (writing[0].done() or len(writing) > AHEAD):
                    note(writing.popleft().result())
    except (KeyboardInterrupt, UserError) as stop:  # what is done is not lost
        if isinstance(stop, UserError):
            say(f"napari-nuclei: {stop}")
        return failed, stop
    finally:
        while writing:
            note(writing.popleft().result())
    return failed, None


def _added(output: Output, done: Segmented, finished: Finished | None) -> Failed | None:
    """Hand an image on; what cannot be written does not stop the others."""
    from ..batch.batch import Failed

    try:
        output.add(done)
        if finished is not None and not done.earlier:
            finished.add(done.path, done.nuclei, done.diameter)
    except UserError as error:
        return Failed(done.path, str(error))
    return None


def _what_counts(card: Card, settings: Settings) -> dict[str, object]:
    """Return all that the nuclei found depend on, besides the images."""
    own = asdict(settings)
    del own["sizes"]
    return {"model": card.name, "sha256": card.sha256, **own}
