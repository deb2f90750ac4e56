"""The 2018 Data Science Bowl's CSV: ImageId and EncodedPixels, a line a nucleus.

The file knows neither scores nor, usually, the size of its images.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_files import ODD, replacing, unreadable
from ..errors import FormatError, UserError
from ..images.images import image_size
from ..masks import Mask, codec, rle
from ..masks.topmost import topmost
from ..nuclei import ImageRecord, Kind, Nuclei, Nucleus, Origin
from ..wording import px
from .broken import Broken
from .dataset import DataSet
from .image_files import MISSING, Located
from .image_names import last_of, parts_of, shown
from .places import names_of
from .sidecar import Sidecar
from .structure import HEAD, text_of

IMAGE, PIXELS = "ImageId", "EncodedPixels"


def write(path: Path, data: DataSet, sidecar: Sidecar) -> None:
    """Write the nuclei that are shown; each pixel goes to one of them, as the bowl demands.

    Where nuclei overlap, the one drawn on top has the pixels; how many are lost is remarked on.
    An image without nuclei has one line without runs.

    Raises
    ------
    UserError
        If the file cannot be written, or two images have the same name but for the ending.
    """
    lines, lost = [f"{IMAGE},{PIXELS}"], 0
    stems = names_of(data.images)
    for image, stem in zip(data.images, stems, strict=True):
        texts, hidden = _texts(data.of(image))
        lost += hidden
        name = '"' + stem.replace('"', '""') + '"' if set(stem) & set(',"\n\r') else stem
        lines += [f"{name},{text}" for text in texts or [""]]
    with replacing(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode("utf-8", ODD))
    if lost:
        sidecar.remarks.append(
            f"{path.name}: {lost:,} px of nuclei below others are left out: this format has one "
            "nucleus per pixel."
        )


def _texts(nuclei: Nuclei) -> tuple[list[str], int]:
    """Return the runs of what is seen of each nucleus, by id, and how many px are not."""
    rows = sorted((n for n in nuclei.shown() if n.mask), key=lambda n: n.rank)
    starts, ends, owner = codec.runs_of([n.mask for n in rows], nuclei.shape)
    total = int((ends - starts).sum())
    starts, ends, owner = topmost(starts, ends, owner)
    ids = np.array([n.id for n in rows], np.int64)[owner]
    order = np.lexsort((starts, ids))
    starts, ends, ids = starts[order], ends[order], ids[order]
    words = list(map(str, np.stack([starts + 1, ends - starts], 1).ravel().tolist()))
    borders = [0, *(2 * np.flatnonzero(np.diff(ids)) + 2).tolist(), len(words)]
    texts = [" ".join(words[a:b]) for a, b in pairwise(borders) if b > a]
    return texts, total - int((ends - starts).sum())


def read(path: Path, sidecar: Sidecar) -> DataSet:
    """Read the bowl's CSV; columns Height and Width are used where there are any.

    Raises
    ------
    UserError
        If it is no such file, no line can be used, or the size of no image is known.
    """
    broken = Broken(str(path), sidecar.on_broken, "line")
    lines, total = _lines(path, broken)
    data = DataSet([], {})
    located = sidecar.files(path).find_all(lines)
    sizeless: list[UserError] = []
    for name, rows in lines.items():
        id = len(data.images) + 1
        try:
            image = _image(path, name, rows[0][1], located, id)
        except UserError as error:  # of one image: the others are read
            if broken.strict:
                raise
            sizeless.append(error)
            for number, _ in rows:
                broken.leave_out(f"{number}", f"is of {shown(name)}, whose size is not known")
            continue
        runs = [(f"{number}", _numbers(row[PIXELS])) for number, row in rows]
        masks = _masks(runs, image, broken)
        origin = Origin(Kind.IMPORT, path.name)
        data.images.append(image)
        data.nuclei[id] = Nuclei(
            image.shape, (Nucleus(k, m, origin=origin) for k, m in enumerate(masks, 1) if m)
        )
    if sizeless and not data.images:
        raise sizeless[0]
    broken.tell(total)
    return data


def _lines(path: Path, broken: Broken) -> tuple[dict[str, list[tuple[int, dict[str, Any]]]], int]:
    """Return the lines of each image, with their numbers, and how many lines there are."""
    out: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    total = 0
    csv.field_size_limit(1 << 30)
    try:
        with path.open("rb") as raw:
            encoding, delimiter = form_of(raw.read(HEAD)) or ("utf-8-sig", ",")
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            if not {IMAGE, PIXELS} <= set(reader.fieldnames):
                raise FormatError(f"{path} has no columns {IMAGE} and {PIXELS}")
            for row in reader:
                total += 1
                name = (row[IMAGE] or "").strip()
                if not last_of(name):
                    broken.leave_out(f"{reader.line_num}", "names no image")
                    continue
                out.setdefault(name, []).append((reader.line_num, row))
    except OSError as error:
        raise unreadable(path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} is not a CSV file in UTF-8: write it again") from error
    return out, total


def form_of(head: bytes) -> tuple[str, str] | None:
    """Tell encoding and separator of such a file, which spreadsheets change; None if it is none.

    Parameters
    ----------
    head : bytes
        How it begins.
    """
    line = text_of(head).lstrip().split("\n", 1)[0].strip()
    for separator in (",", ";", "\t"):
        with suppress(csv.Error):
            if {IMAGE, PIXELS} <= {
                w.strip() for w in next(csv.reader([line], delimiter=separator))
            }:
                is_wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
                return "utf-16" if is_wide else "utf-8-sig", separator
    return None


def _numbers(text: str | None) -> Any:
    """Return pairs of start and length, none for an image without nuclei; None if broken."""
    try:
        numbers = np.array((text or "").split(), np.int64)
    except (ValueError, OverflowError):
        return None
    if len(numbers) % 2 or (len(numbers) and not 0 < numbers.min() <= numbers.max() <= 2**40):
        return None
    return numbers.reshape(-1, 2)


def _image(path: Path, name: str, row: dict[str, Any], located: Located, id: int) -> ImageRecord:
    """Describe an image, which is called by its name without ending or folders."""
    file = located.files.get(name)
    try:
        size = int(row["Height"]), int(row["Width"])
    except (KeyError, TypeError, ValueError):
        if file is None:
            raise _sizeless(path, name, located.gaps[name]) from None
        size = image_size(file)
    if file is not None:
        name = "/".join([*parts_of(name)[:-1], file.name])
    if min(size) < 1:
        raise FormatError(f"{path}: image {name} has a height or width below 1: correct it")
    return ImageRecord(id, name, *size)


def _sizeless(path: Path, name: str, why: str) -> UserError:
    if why == MISSING:
        why = f"no image named {name!r} is beside it: put it there"
    else:
        why = f"its image {name!r} {why}: keep the one that is meant"
    return FormatError(
        f"{path} does not say how large its images are, and {why}, or name its folder with --images"
    )


def _masks(runs: list[tuple[str, Any]], image: ImageRecord, broken: Broken) -> Iterator[Mask]:
    """Make masks of the lines of an image that are sound."""
    total = image.height * image.width
    size = px(image.shape)
    none = np.zeros((0, 2), np.int64)
    owner = np.repeat(np.arange(len(runs)), [0 if r is None else len(r) for _, r in runs])
    pairs = np.concatenate([*(none if r is None else r for _, r in runs), none])
    order = np.lexsort((pairs[:, 0], owner))
    starts, ends, owner = pairs[order, 0] - 1, pairs[order].sum(1) - 1, owner[order]
    crossed = (owner[1:] == owner[:-1]) & (starts[1:] < ends[:-1])
    outside = set(owner[ends > total].tolist())
    crossing = set(owner[1:][crossed].tolist())
    for k, (label, found) in enumerate(runs):
        if found is None:
            broken.leave_out(label, "is not made of pairs of start and length, from 1 on")
        elif k in outside:
            what = f"reaches beyond the {size} of {image.file_name}: is it the right image?"
            broken.leave_out(label, what)
        elif k in crossing:
            broken.leave_out(label, "has runs that overlap")
    good = ~np.isin(owner, [*outside, *crossing])
    numbers, owner = np.unique(owner[good], return_inverse=True)
    totals = np.full(len(numbers), total)
    return codec.from_runs(*rle.joined(starts[good], ends[good], owner, totals), image.shape)
