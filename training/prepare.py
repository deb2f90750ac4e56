"""Make a COCO file of the folders in which nucleus data sets are handed out.

    python training/prepare.py stage1_train --out train.json --images images
    python training/prepare.py test --no-masks --ids test_img_ids.json

Reads <id>/images/<id>.png with <id>/masks/*.png, one mask a nucleus; with --no-masks plain
folders of images too. The logic lives in `napari_nuclei/formats/mask_folders.py`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from napari_nuclei.commands.terminal import shown
from napari_nuclei.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 2 bad use or unreadable input."""
    options = parser().parse_args(arguments)
    try:
        prepare(options)
    except UserError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nprepare: stopped.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = p.add_argument
    add("folder", type=Path, metavar="FOLDER", help="holds one folder per image")
    add("--out", type=Path, metavar="COCO", help="COCO file to write")
    add("--ids", type=Path, metavar="JSON", help="list of images and their ids to write")
    add("--images", type=Path, metavar="DIR", help="gather all images in this folder, as links")
    add("--copy", action="store_true", help="with --images: as copies")
    add("--no-masks", action="store_true", help="there is no truth: only list the images")
    add("--only", type=Path, metavar="JSON", help="only images that this COCO file or list names")
    add("--without", type=Path, metavar="JSON", help="all images but those that this file names")
    add(
        "--modalities",
        type=Path,
        metavar="CSV",
        help="table of two columns, file name (or id) and kind of image, without a heading; "
        "training draws all kinds more evenly, and figures are given for each",
    )
    return p


def prepare(options: argparse.Namespace) -> None:
    """Do what the options say."""
    from napari_nuclei.atomic_files import write_json
    from napari_nuclei.batch.writable import check_writable
    from napari_nuclei.formats import coco, mask_folders

    if not (options.out or options.ids or options.images):
        raise UserError("nothing to write: give --out, --ids or --images")
    if options.out and options.no_masks:
        raise UserError("--out needs masks: leave --no-masks out, or write --ids alone")
    for path in filter(None, (options.out, options.ids)):
        check_writable(path)
    files = chosen(mask_folders.find_files(options.folder), options.only, options.without)
    kinds = modalities(options.modalities) if options.modalities else {}
    for step in shown(mask_folders.read(files, bool(options.out), kinds)):
        prepared = step.new
    for remark in prepared.remarks:
        print(remark, file=sys.stderr)
    data = prepared.data
    if options.images:
        for _ in shown(mask_folders.gather(files, options.images, options.copy, options.folder)):
            pass
    if options.ids:
        write_json(options.ids, mask_folders.image_ids(data))
    if options.out:
        coco.write(options.out, data)
    print(f"{len(data.images)} images, {sum(map(len, data.nuclei.values()))} nuclei.")


def chosen(files: list[Path], only: Path | None, without: Path | None) -> list[Path]:
    """Keep the images that are wanted, and refuse to go on if one of them is missing."""
    if only:
        wanted = names(only)
        if missing := wanted - {path.name for path in files}:
            raise UserError(f"{only} names {sorted(missing)[0]}, which is not there")
        files = [path for path in files if path.name in wanted]
    if without:
        unwanted = names(without)
        files = [path for path in files if path.name not in unwanted]
    if not files:
        raise UserError("no image is left: look at --only and --without")
    return files


def names(path: Path) -> set[str]:
    """Return the file names that a COCO file or a list of images has."""
    from napari_nuclei.formats.image_names import last_of
    from napari_nuclei.formats.results import read_image_ids

    return {last_of(record.file_name) for record in read_image_ids(path)}


def modalities(path: Path) -> dict[str, str]:
    """Read the table of kinds."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if bad := next((row for row in rows if len(row) != 2), None):
        raise UserError(f"{path}: two columns are expected, this line has others: {','.join(bad)}")
    return {name.strip(): kind.strip() for name, kind in rows}


if __name__ == "__main__":
    sys.exit(main())
