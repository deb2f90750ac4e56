"""`convert`: nuclei from one file format into another."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import UserError
from ..formats.registry import READABLE, WRITABLE
from .arguments import positive, strict
from .terminal import say


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("input", nargs="+", type=Path, metavar="IN", help="a file or folder of nuclei")
    p.add_argument(
        "--to", metavar="FORMAT", choices=WRITABLE, help=f"{', '.join(WRITABLE)} (default: by OUT)"
    )
    p.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="file; folder for formats with a file an image",
    )
    p.add_argument(
        "--from",
        dest="source",
        metavar="FORMAT",
        choices=READABLE,
        help=f"{', '.join(READABLE)} (default: found out)",
    )
    p.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of the images (default: beside IN)"
    )
    p.add_argument(
        "--image-ids",
        type=Path,
        metavar="JSON",
        help="list of images with their ids, or a COCO file: the result has its names and ids",
    )
    p.add_argument("--pixel-size", type=positive, metavar="UM", help="side of a pixel in µm")
    strict(p)
    p.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(options: Namespace) -> int:
    """Read any format and write any other."""
    from ..formats.convert import convert

    if options.images is not None and not options.images.is_dir():
        raise UserError(f"{options.images} is not a folder of images: name one")
    done = convert(
        options.input,
        options.out,
        options.to,
        source=options.source,
        images=options.images,
        image_ids=options.image_ids,
        pixel_size=options.pixel_size,
        strict=options.strict,
    )
    for failure in done.failed:
        say(f"napari-nuclei: {failure}")
    for remark in done.remarks:
        say(remark)
    say(f"{done.nuclei:,} nuclei of {done.images:,} images → {options.out}")
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
