"""The images of a data set that was read: where they lie, their sizes, and ids of another list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .dataset import DataSet
from .image_ids import Listed
from .image_rows import TEXT_ID
from .image_sizes import check_sizes
from .results import read_image_ids
from .sidecar import Sidecar


def find_images_of(
    data: DataSet, sources: Sequence[Path], sidecar: Sidecar, compare: bool = True
) -> None:
    """Find the images of a data set, and compare their sizes with what its files say.

    Parameters
    ----------
    sources : sequence of Path
        The file that each image's nuclei were read from.
    sidecar : Sidecar
        Takes the images that are found, and remarks.
    compare : bool
        Whether to compare the sizes.

    Raises
    ------
    UserError
        If an image is at hand and of another size.
    """
    known: dict[str, Path] = {}
    homes: list[Path] = []
    for source in dict.fromkeys(sources):
        own = [i for i, its in zip(data.images, sources, strict=True) if its == source]
        located = sidecar.locate(source, own)
        if compare:
            sidecar.remarks += check_sizes(own, located.files, source)
        known |= located.files
        sidecar.gaps |= located.gaps
        homes += sidecar.files(source).homes
    sidecar.known, sidecar.homes = known, list(dict.fromkeys(homes))


def numbered(data: DataSet, image_ids: Path, source: Path, sidecar: Sidecar) -> DataSet:
    """Give images the names and ids of a competition's list, in its order.

    Images that are not known by their old names are looked for by the new ones, beside `source`.

    Raises
    ------
    UserError
        If an image is not listed, listed with another size, or its name is not clear.
    """
    listed = read_image_ids(image_ids)
    found = Listed(listed, image_ids).find_all(data.images)
    out = DataSet([], {}, data.about, data.categories)
    known = {}
    for image in data.images:
        record = found[image.id]
        extra = {k: v for k, v in image.extra.items() if k != TEXT_ID}
        extra |= {k: v for k, v in record.extra.items() if k == TEXT_ID}
        out.images.append(replace(image, id=record.id, file_name=record.file_name, extra=extra))
        out.nuclei[record.id] = data.of(image)
        if sidecar.known and image.file_name in sidecar.known:
            known[record.file_name] = sidecar.known[image.file_name]
    order = {record.id: k for k, record in enumerate(listed)}
    out.images.sort(key=lambda i: order[i.id])
    new = [image for image in out.images if image.file_name not in known]
    files = sidecar.files(source / "file" if source.is_dir() else source)
    located = files.find_all(image.file_name for image in new)
    sidecar.remarks += check_sizes(new, located.files, image_ids)
    sidecar.gaps |= located.gaps
    sidecar.known, sidecar.homes = {**known, **located.files}, files.homes
    return out
