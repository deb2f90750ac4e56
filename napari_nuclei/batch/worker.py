"""What a worker of a Dask cluster does: it reads images and tiles itself, and finds their nuclei.

Importing this needs `distributed`, not torch.
"""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from distributed import WorkerPlugin, get_worker

from ..errors import UserError
from ..images.large_image import LargeImage
from ..masks import Mask
from ..masks.box import Box
from ..prediction.tiles import Tile
from .batch import Settings, opened, reason_of
from .resume import state_of

if TYPE_CHECKING:
    from ..models.detector import Detector

ScoredMask = tuple[Mask, float]

MAX_TILES_PER_TASK = 4
"""Up to so many tiles are one task with their image."""

AT_ONCE = 2
"""Tasks of a worker that may hold pixels: one in the network, one read meanwhile."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A model as it travels: the bytes of its weights, and its card.

    Attributes
    ----------
    file : str
        Name of the weights file.
    weights : bytes
        What is in it.
    card : str
        Text of the card.
    device : str
        As `models.load` takes it.
    version : str
        Of this project, which the workers' must be.
    """

    file: str
    weights: bytes
    card: str
    device: str
    version: str

    def load(self, device: str) -> Detector:
        """Load the model; its SHA-256 is checked."""
        from .. import models

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, self.file)
            path.write_bytes(self.weights)
            path.with_suffix(".json").write_text(self.card, encoding="utf-8")
            return models.load(str(path), device)


@dataclass(frozen=True, slots=True)
class ImageJob:
    """An image to segment.

    Attributes
    ----------
    path : Path
        As a worker sees it.
    settings : Settings
        How; of the sizes only its own.
    low : float
        Lowest score that is kept.
    side : int or None
        Largest side of a tile; see `predict.segment_steps`.
    """

    path: Path
    settings: Settings
    low: float
    side: int | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """An image that is done; as `Prediction`, with the shape of the image."""

    shape: tuple[int, int]
    found: list[ScoredMask]
    diameter: float


@dataclass(frozen=True, slots=True)
class Layout:
    """An image too large for one task, and the tiles that are to be asked for.

    Attributes
    ----------
    shape : (int, int)
        Of the image.
    diameter, zoom, levels : float, float, (float, float)
        How it is brought to the network; see `Tiling`.
    tiles : list of Tile
        In px of the network.
    cores, reach : list of Box, float
        What `Joining` takes.
    """

    shape: tuple[int, int]
    diameter: float
    zoom: float
    levels: tuple[float, float]
    tiles: list[Tile]
    cores: list[Box]
    reach: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an image cannot be done, in one line."""

    reason: str


class Segmenter(WorkerPlugin):
    """The model on a worker, and what keeps its tasks from using too much at once.

    A worker's threads, as many as it was started with, compute one tile together.

    Parameters
    ----------
    parcel : Parcel
        The model. Loaded when the first task comes.
    own : bool
        Whether this process's workers were started for this run alone.
    """

    def __init__(self, parcel: Parcel, own: bool = False) -> None:
        self._parcel, self._own = parcel, own

    def setup(self, worker: Any) -> None:
        """Get ready on a worker."""
        if self._own and threading.current_thread() is threading.main_thread():
            # Ctrl+C goes to all processes of a terminal; the one that answers it ends the others.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._worker = worker
        self._detector: Detector | None = None
        self._picture: tuple[Any, LargeImage] | None = None
        self.gate = threading.Semaphore(AT_ONCE)
        self.reading, self.computing = threading.Lock(), threading.Lock()

    def detector(self) -> Detector:
        """Return the model; to be called under `computing`."""
        if self._detector is None:
            from ..models.runtime import gpus, use_threads

            use_threads(max(1, self._worker.state.nthreads))
            here = version("napari-nuclei")
            if here != self._parcel.version:
                raise UserError(
                    f"the worker on {socket.gethostname()} has napari-nuclei {here}, this machine "
                    f"{self._parcel.version}: install the same version on both."
                )
            self._detector = self._parcel.load(self._device(gpus()))
        return self._detector

    def keep(self, detector: Detector) -> None:
        """Go on with a detector that has moved to the CPU."""
        self._detector = detector

    def _device(self, gpus: int) -> str:
        """The workers of a local cluster, which are numbered, take turns with the GPUs."""
        wanted, number = self._parcel.device, self._worker.name
        shared = wanted in ("auto", "cuda") and gpus > 1 and isinstance(number, int)
        return f"cuda:{number % gpus}" if shared else wanted

    def picture(self, job: ImageJob) -> LargeImage:
        """Return an image that stays open for its other tiles; to be called under `reading`."""
        key = job.path, job.settings.plane, job.settings.channels, state_of(job.path)
        if self._picture is None or self._picture[0] != key:
            self._picture = key, opened(job.path, job.settings)
        return self._picture[1]


def about() -> str:
    """Return the version of this project on a worker."""
    return version("napari-nuclei")


def look_at_image(name: str, job: ImageJob) -> Whole | Layout | Trouble:
    """Segment an image, or say which tiles it has; `name` is the plugin's."""
    try:
        plugin = _plugin(name, job)
        with plugin.gate:
            return _image(plugin, job)
    except (UserError, RuntimeError, MemoryError) as error:
        return Trouble(reason_of(error, job.path))


def look_at_tile(
    name: str, job: ImageJob, layout: Layout, tile: Tile
) -> list[ScoredMask] | Trouble:
    """Find the nuclei of one tile; `layout` needs no tiles."""
    try:
        plugin = _plugin(name, job)
        with plugin.gate:
            return _tile(plugin, job, layout, tile)
    except (UserError, RuntimeError, MemoryError) as error:
        return Trouble(reason_of(error, job.path))


def _plugin(name: str, job: ImageJob) -> Segmenter:
    if not job.path.exists():
        raise UserError(
            f"{job.path}: the worker on {socket.gethostname()} cannot see it. Images must be on "
            "a disk that all workers share, under the same path."
        )
    plugin = get_worker().plugins.get(name)
    if not isinstance(plugin, Segmenter):
        raise UserError(f"the model did not reach the worker on {socket.gethostname()}.")
    return plugin


def _image(plugin: Segmenter, job: ImageJob) -> Whole | Layout:
    image = opened(job.path, job.settings)
    with plugin.computing:
        detector, diameter = plugin.detector(), job.settings.diameter
        from ..prediction.predict import measure_steps, segment
        from ..prediction.tiling import Tiling
        from ..progress import result_of

        if not isinstance(image.levels[0], np.ndarray):
            levels, diameter = result_of(measure_steps(image, detector, diameter))
            zoom = detector.card.diameter / diameter
            tiling = Tiling(image, detector, zoom, levels, job.side)
            if len(tiling.tiles) > MAX_TILES_PER_TASK:
                tiles, cores, reach = tiling.tiles, tiling.cores, tiling.reach
                return Layout(image.shape, diameter, zoom, levels, tiles, cores, reach)
        prediction = segment(image, detector, diameter, job.low, side=job.side)
        return Whole(image.shape, prediction.found, prediction.diameter)


def _tile(plugin: Segmenter, job: ImageJob, layout: Layout, tile: Tile) -> list[ScoredMask]:
    from ..prediction.detecting import Detecting
    from ..prediction.frame import Frame
    from ..progress import result_of

    with plugin.reading:
        frame = Frame.of(plugin.picture(job), layout.zoom, layout.levels)
        pixels = frame.read(tile)
    if pixels is None:
        return []
    with plugin.computing:
        detecting = Detecting(frame, plugin.detector())
        (found,) = result_of(detecting.found([(tile, pixels)], job.low))
        plugin.keep(detecting.detector)
    return found
