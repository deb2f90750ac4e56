"""Predictions of models on disk, made once, so that a stopped experiment goes on."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from .. import models
from ..atomic_files import read_json, write_json
from ..batch.batch import Segmented
from ..batch.writable import make_folder
from ..errors import TrainingError
from ..formats import coco, results
from ..formats.dataset import DataSet
from ..formats.image_files import all_in, image_in
from ..images.images import read_image
from ..models.card import Card, sha256_of
from ..models.detector import Detector
from ..nuclei import Nuclei
from ..prediction.predict import LOW
from ..progress import Progress
from .disturb import CHANGES, PLAIN, disturb, resized
from .figures import Answer, ceilings
from .validate import predict_set

CODE = (
    "images/*.py",
    "prediction/*.py",
    "models/maskrcnn*.py",
    "models/pooling.py",
    "models/size_head.py",
    "models/trunks/*.py",
)
"""Files of the package that decide what is predicted."""


@dataclass(frozen=True)
class Source:
    """Annotated images to judge models by.

    Attributes
    ----------
    label : str
        What the tables call it.
    coco, images : Path
        The truth, and the folder of its images.
    """

    label: str
    coco: Path
    images: Path

    @cached_property
    def truth(self) -> DataSet:
        """The truth; read once."""
        if not self.images.is_dir():
            raise TrainingError(
                f"{self.images}: no such folder of images. Name the data with --data."
            )
        return coco.read(self.coco, images=self.images)

    @cached_property
    def ceilings(self) -> dict[str, float]:
        """The highest AP50 that there is with 100 detections an image, by group."""
        return ceilings(self.truth)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the truth's file."""
        return sha256_of(self.coco)


@dataclass
class Model:
    """A model to be judged; its weights are only loaded if something is left to predict.

    Attributes
    ----------
    card : Card
        What is known of it.
    load : callable
        Returns its detector.
    machine : str
        Where it runs, in words for the tables.
    """

    card: Card
    load: Callable[[], Detector]
    machine: str = ""

    @cached_property
    def detector(self) -> Detector:
        """The detector; loaded once."""
        return self.load()


def predictions(
    one: Model, source: Source, change: str, out: Path, again: bool = False
) -> Generator[Progress, None, Path]:
    """Make a model's predictions for a data set under a change, unless they are there.

    Returns
    -------
    Path
        A COCO results file, as the generator's value. Beside it lies one that ends in
        ``.about.json``, with times and estimated diameters.
    """
    path = kept_at(one.card, source, change, out)
    if not again and path.is_file() and _about(path).is_file():
        return path
    make_folder(path.parent)
    detector, truth = one.detector, source.truth
    about: dict[str, Any] = {
        "model": one.card.name,
        "sha256": one.card.sha256,
        "data": source.label,
        "change": change,
        "machine": one.machine,
        "code": code_digest(),
        "seconds": {},
        "diameters": {},
    }
    with tempfile.TemporaryDirectory(prefix="napari-nuclei-") as folder:
        images, data = source.images, truth
        if change != PLAIN:
            images = Path(folder)
            data = yield from _changed(truth, source.images, change, images)
        files = all_in(images, data.images)
        ids = {files[image.file_name]: image.id for image in data.images}
        found = yield from _noted(predict_set(data, images, detector, LOW), ids, about)
    nuclei = {i.id: _brought_back(found.of(i), i.shape) for i in truth.images}
    write_json(_about(path), about)
    write_json(path, results.to_json(nuclei, 0.0))
    return path


def _noted(
    steps: Generator[Progress, None, DataSet], ids: dict[Path, int], about: dict[str, Any]
) -> Generator[Progress, None, DataSet]:
    """Pass the steps on, writing down each image's time and estimated diameter."""
    begun = time.monotonic()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: DataSet = end.value
            return found
        if isinstance(step.new, Segmented):
            now = time.monotonic()
            about["seconds"][ids[step.new.path]] = round(now - begun, 3)
            about["diameters"][ids[step.new.path]] = round(step.new.diameter, 2)
            begun = now
        yield replace(step, new=None)


def _changed(
    data: DataSet, images: Path, change: str, folder: Path
) -> Generator[Progress, None, DataSet]:
    """Write a data set's images, changed, as PNG; the value is the data set of these."""
    from PIL import Image

    out = DataSet([], {})
    for done, image in enumerate(data.images):
        yield Progress(0, 0, "Changing images")
        path = image_in(images, image.file_name)
        pixels = disturb(read_image(path), change, image.file_name)
        name = f"{done}.png"
        Image.fromarray(pixels).save(folder / name, compress_level=1)
        height, width = pixels.shape[:2]
        out.images.append(replace(image, file_name=name, height=height, width=width))
    return out


def _brought_back(nuclei: Nuclei, shape: tuple[int, int]) -> Nuclei:
    if nuclei.shape == shape:
        return nuclei
    rows = (replace(n, mask=resized(n.mask, nuclei.shape, shape)) for n in nuclei)
    return Nuclei(shape, (n for n in rows if n.mask))


def read_answer(path: Path, change: str) -> tuple[Answer, dict[str, Any]]:
    """Read predictions back, and what was written down of them.

    Raises
    ------
    UserError
        If a file is damaged.
    """
    about = read_json(_about(path))
    try:
        seconds, diameters = (
            {int(id): float(value) for id, value in about[key].items()}
            for key in ("seconds", "diameters")
        )
        known = {"machine": str(about["machine"]), "code": str(about["code"])}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TrainingError(f"{_about(path)}: damaged; remove it, or remake all.") from None
    return Answer(results.read(path), seconds, diameters, CHANGES[change].zoom), known


def kept_at(card: Card, source: Source, change: str, out: Path) -> Path:
    """Return the file of some predictions; it is another one for whatever bears on them."""
    said = [card.sha256, card.diameter, card.mask_threshold, card.calibration, source.digest]
    key = hashlib.sha256(json.dumps([*said, change]).encode()).hexdigest()[:12]
    folder = out / "predictions" / _plain(card.name) / _plain(source.label)
    return folder / f"{change}-{key}.json"


def _about(path: Path) -> Path:
    return path.with_suffix(".about.json")


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name).strip(".") or "_"


@cache
def code_digest() -> str:
    """SHA-256 of those of the program's files that decide what is predicted."""
    package = Path(models.__file__).parent.parent
    files = (file for pattern in CODE for file in sorted(package.glob(pattern)))
    text = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(text).hexdigest()
