"""`convert`: nuclei from one file format into another."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from ..errors import UserError
from ..formats.registry import READABLE, WRITABLE, offered
from ..wording import counted
from .arguments import positive, source, strict, target
from .terminal import refuse_two_answers, say


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument(
        "input",
        nargs="+",
        type=source,
        metavar="IN",
        help="a file or folder of nuclei; - reads a file from stdin",
    )
    p.add_argument(
        "--to",
        metavar="FORMAT",
        choices=WRITABLE,
        help=f"{', '.join(offered())} (default: from the extension of --out)",
    )
    p.add_argument(
        "--out",
        type=target,
        required=True,
        metavar="PATH",
        help="file, or folder for formats with one file per image; - for stdout",
    )
    p.add_argument(
        "--from",
        dest="source",
        metavar="FORMAT",
        choices=READABLE,
        help=f"{', '.join(READABLE)} (default: detected)",
    )
    p.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of the images (default: beside IN)"
    )
    p.add_argument(
        "--image-ids",
        type=Path,
        metavar="JSON",
        help="list of images with their ids, or a COCO file: the result uses its names and ids",
    )
    p.add_argument("--pixel-size", type=positive, metavar="UM", help="pixel size in µm")
    strict(p)
    p.add_argument(
        "--split",
        action="store_true",
        help="make each separate piece a nucleus of its own, as 0/255 masks need",
    )
    p.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(options: Namespace) -> int:
    """Read any format and write any other."""
    from ..formats.convert import convert
    from ..formats.registry import target_of
    from ..streams import STDIN, at_rest, is_stream, name_of

    target_of(options.out, options.to, "--to")  # before anything is read
    refuse_two_answers(options)
    if options.input.count(STDIN) > 1:
        raise UserError("stdin can be read only once: name the files")
    if options.images is not None and not options.images.is_dir():
        raise UserError(f"{options.images} is not a folder of images: choose one")
    piped = any(is_stream(path) for path in options.input)
    images = options.images or (Path() if piped else None)
    with ExitStack() as stack:
        done = convert(
            [stack.enter_context(at_rest(path)) for path in options.input],
            options.out,
            options.to,
            source=options.source,
            images=images,
            image_ids=options.image_ids,
            pixel_size=options.pixel_size,
            strict=options.strict,
            split=options.split,
        )
    for failure in done.failed:
        say(f"napari-nuclei: {failure}")
    for remark in done.remarks:
        say(remark)
    what = f"{counted(done.nuclei, 'nucleus')} of {counted(done.images, 'image')}"
    say(f"{what} → {name_of(options.out)}")
    if options.json:
        summary = {
            "images": done.images,
            "nuclei": done.nuclei,
            "from": done.source,
            "to": done.target,
            "written": [str(path) for path in done.written],
            "remarks": done.remarks,
            "failed": done.failed,
        }
        print(json.dumps(summary))
    return 1 if done.failed else 0
