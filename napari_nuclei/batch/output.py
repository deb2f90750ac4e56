"""Where segmented images go: one file for all of them, or a file an image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..formats.clashes import check_names
from ..formats.dataset import DataSet
from ..formats.format import Format
from ..formats.places import check_case, names_of, one_each
from ..formats.places import name_of as name_for
from ..formats.registry import FORMATS, WRITABLE
from ..formats.sidecar import Sidecar
from ..formats.writing import write
from ..images.images import image_info
from ..images.own_outputs import OVERLAY
from ..nuclei import ImageRecord
from ..streams import check_open, is_stream
from .batch import Pixels, Segmented
from .wanted import named_after, wanted
from .writable import check_writable, make_folder, refuse_same


class Output:
    """Collects what was segmented, and writes it.

    Attributes
    ----------
    paths : list of Path
        The images to segment, in order.
    numbers : dict
        Place of each of them, from 1 on. They may come in any order; what is written does not
        show it.
    records : dict
        What each of them is called.
    sizes : dict
        Image → (height, width) that it must have.
    pixel_size : float or None
        Side of a pixel in µm.
    part : (int, sequence of int)
        Which plane and channels of the images are segmented; None for all there is.
    done, count : int
        Images and nuclei so far.
    remarks : list of str
        What the user should know of what was written.
    """

    def __init__(
        self,
        out: Path,
        records: dict[Path, ImageRecord],
        overlay: Path | None,
    ) -> None:
        self.out, self.paths, self.overlay = out, list(records), overlay
        self.records = records
        self.sizes = {path: record.shape for path, record in records.items() if record.height}
        self.pixel_size: float | None = None
        self.part: tuple[int | None, Sequence[int] | None] = (None, None)
        self.done = self.count = 0
        self.remarks: list[str] = []
        self.written: list[Path] = []
        self.numbers = {path: number for number, path in enumerate(records, 1)}
        self._each: dict[int, tuple[list[Path], list[str]]] = {}

    def add(self, result: Segmented) -> None:
        """Take one image's nuclei; pictures and label images are written at once."""
        files, remarks = len(self.written), len(self.remarks)
        self._keep(result)
        if self.overlay is not None:
            from ..formats.overlay import write_overlay

            path = self.overlay / f"{name_for(self.records[result.path])}{OVERLAY}"
            write_overlay(path, result.pixels, result.nuclei)
            self.written.append(path)
        own = self.written[files:], self.remarks[remarks:]
        self._each[self.numbers[result.path]] = own
        self.done += 1
        self.count += sum(1 for _ in result.nuclei.shown())

    def _keep(self, result: Segmented) -> None:
        raise NotImplementedError

    def close(self) -> list[Path]:
        """Write what is to be written at the end; return all files written."""
        self._sort()
        return self.written

    def _sort(self) -> None:
        """Bring what was collected into the order of the images."""
        every = [own for _, own in sorted(self._each.items())]
        self.written = [path for files, _ in every for path in files]
        self.remarks = [text for _, remarks in every for text in remarks]


class _Collected(Output):
    """One file for all images."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.data = DataSet([], {})

    def _keep(self, result: Segmented) -> None:
        # Numbered by its place among all images, so that one that fails shifts no other's id.
        height, width = result.nuclei.shape
        record = replace(self.records[result.path], height=height, width=width)
        self.data.images.append(record)
        self.data.nuclei[record.id] = result.nuclei

    def _sort(self) -> None:
        super()._sort()
        own = {self.records[path].id: number for path, number in self.numbers.items()}
        self.data.images.sort(key=lambda image: own[image.id])
        self.data.nuclei = {image.id: self.data.nuclei[image.id] for image in self.data.images}


class _AnyOutput(_Collected):
    """Any other format: a file an image as each is done, or one file at the end."""

    def __init__(self, format: Format, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.format = format
        known = {record.file_name: path for path, record in self.records.items()}
        self.sidecar = Sidecar(known=known, homes=())

    def _keep(self, result: Segmented) -> None:
        super()._keep(result)
        if self.format.per_image:
            self.sidecar.pixel_size = self.pixel_size
            image = self.data.images.pop()
            one = DataSet([image], {image.id: self.data.nuclei.pop(image.id)})
            self.written += write(self.out, one, self.format, self.sidecar)

    def close(self) -> list[Path]:
        self._sort()
        self.sidecar.pixel_size = self.pixel_size
        if not self.format.per_image:
            files = {record.id: path for path, record in self.records.items()}
            self.sidecar.arrays = Pixels(files, *self.part)
            self.written = [*write(self.out, self.data, self.format, self.sidecar), *self.written]
        self.remarks += dict.fromkeys(self.sidecar.remarks)
        return self.written


class _CocoOutput(_AnyOutput):
    def _keep(self, result: Segmented) -> None:
        super()._keep(result)
        plane = self.part[0]
        if plane is not None and (count := image_info(result.path).planes) > 1:
            record = self.data.images.pop()
            place = {"plane": [plane], "stack": [count]}
            self.data.images.append(replace(record, extra={**record.extra, **place}))


class _ResultsOutput(_AnyOutput):
    def close(self) -> list[Path]:
        if not self.sizes and len(self.paths) > 1:
            ids = f"1 to {len(self.paths)}"
            names = [_natural(path.name) for path in self.paths]
            order = "the file names" if names == sorted(names) else "the images as they were given"
            self.sidecar.remarks.append(f"Image ids are {ids}, in the order of {order}.")
        return super().close()


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key in which "b2" comes before "b10"."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)]


_KINDS: dict[str, Callable[..., Output]] = {
    **{name: partial(_AnyOutput, FORMATS[name]) for name in WRITABLE},
    "coco": partial(_CocoOutput, FORMATS["coco"]),
    "results": partial(_ResultsOutput, FORMATS["results"]),
}


def make_output(
    kind: str,
    out: Path,
    paths: Sequence[Path],
    image_ids: Path | None = None,
    overlay: Path | None = None,
) -> Output:
    """Check all that can be checked before work begins, and make the output.

    Parameters
    ----------
    kind : str
        Name of a format that can be written.
    paths : sequence of Path
        The images found.
    image_ids : Path, optional
        A list of images with ids: exactly these are segmented.
    overlay : Path, optional
        Folder for pictures; made if it is missing.

    Raises
    ------
    UserError
        If an image of the list is missing or of another size, if two images have the same
        name, if the place cannot be written, or is one of the images.
    """
    chosen = named_after(paths) if image_ids is None else wanted(image_ids, paths)
    per_image, folder_is_good = FORMATS[kind].per_image, not FORMATS[kind].endings
    _refuse_doubles(chosen.values())
    check_names(FORMATS[kind], chosen.values(), out)
    if overlay is not None:
        names_of(chosen.values())
    given = [*paths, *([image_ids] if image_ids else [])]
    if is_stream(out):
        if per_image and len(chosen) > 1:
            raise one_each(FORMATS[kind], len(chosen), out)
        check_open(out)
    refuse_same(out, given)
    # Without an ending it is a folder, for one image as for many.
    into_folder = folder_is_good or (per_image and (len(chosen) > 1 or not out.suffix))
    into_folder &= not is_stream(out)
    if into_folder and not out.is_dir() and out.name.lower().endswith(FORMATS[kind].endings):
        raise one_each(FORMATS[kind], len(chosen), out)
    for folder in [out] * into_folder + ([] if overlay is None else [overlay]):
        make_folder(folder)
        check_case(names_of(chosen.values()), folder)
    if not into_folder:
        check_writable(out, folder_is_good=per_image)
    return _KINDS[kind](out, chosen, overlay)


def _refuse_doubles(records: Iterable[ImageRecord]) -> None:
    names = Counter(record.file_name for record in records)
    if double := next((name for name, n in names.items() if n > 1), None):
        raise UserError(f"two images are named {double}: segment them separately.")
