"""Reading the items of a workspace: pixels and review, ahead of time and on a thread.

Here: item → pixels as a layer takes them, its reviews opened, and closed once nobody needs
them. Not here: which item is wanted (`folder.py`), layers (`session.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..images.images import image_info, image_size
from ..images.large_files import open_image
from ..images.large_image import WHOLE, LargeImage
from ..images.levels import find_levels, normalize
from ..journal.lost import Trace
from ..journal.place import begun
from ..nuclei import Nuclei
from ..review import Review
from ..workspace.files import Item
from ..workspace.workspace import Workspace
from .lazy_layers import levels_of
from .offers import first_trace
from .openers import IN_MEMORY
from .record import Plane
from .tasks import Outcome, Tasks

MOST_BYTES = 1 << 30
"""Size up to which a stack is read as a whole."""

Tell = Callable[[str], None]


class ItemReviews:
    """Opens the reviews of a workspace's item for a review layer, plane by plane."""

    def __init__(self, workspace: Workspace, item: Item, lead: Plane, tell: Tell) -> None:
        self._workspace, self._item, self._lead, self._tell = workspace, item, lead, tell

    def key(self, plane: Plane) -> Plane:
        """Return how the workspace names a plane of the layer."""
        return plane or self._item.plane

    def __call__(self, plane: Plane) -> Review:
        """Open the review of a plane; it is in memory alone where no place can be written."""
        path, key, part = self._item.path, self.key(plane), self._item.part
        known = self._workspace.is_open(path, key, part)
        try:
            review = self._workspace.review(path, key, part)
        except UserError as error:
            review = Review(Nuclei(image_size(path)))
            review.remarks.append(IN_MEMORY.format(error))
            self._tell(review.remarks[0])
            return review
        if review.journal is not None:
            for warning in () if known else review.warnings:
                self._tell(warning)
            review.journal.trouble.connect(self._tell, unique=True)
        return review

    def is_held(self, plane: Plane) -> bool:
        """Whether another window has the review of a plane open."""
        return self._workspace.is_held(self._item.path, self.key(plane), self._item.part)

    def begun(self) -> list[Plane]:
        """List the planes of the layer that have a review."""
        if not self._lead:
            return [()]
        return self._workspace.journals.planes(self._item.path, self._lead[0])


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item, ready to be shown.

    Attributes
    ----------
    pixels : ndarray or list of dask arrays
        (H, W), (H, W, 3) or, of a stack, (N, H, W) or (N, H, W, 3); levels of a large image.
    rgb : bool
        Whether the last axis is that of colours.
    lead : tuple of int
        How many planes there are; () for an ordinary image.
    levels : (float, float)
        What is shown as black and as white.
    notices : tuple of str
        What the person should be told of its reviews.
    read_only : bool
        Whether another window had its review open.
    offer : Trace or None
        A review of the same content that it may begin with, where it has none.
    """

    pixels: NDArray[Any] | list[Any]
    rgb: bool
    lead: Plane
    levels: tuple[float, float]
    notices: tuple[str, ...] = ()
    read_only: bool = False
    offer: Trace | None = None


def read_plane(item: Item, plane: Plane) -> NDArray[Any] | LargeImage:
    """Read one plane of an item as it is shown and segmented: separate channels as colours.

    A large one that can be read in parts is only opened.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    channels = image_info(item.path).channels
    named = () if item.record is None else item.record.channels
    chosen = list(named or range(min(3, channels))) if channels > 1 else None
    number = (plane or item.plane)[0] if plane or item.plane else None
    picture = open_image(item.path, plane=number, channels=chosen)
    if isinstance(picture.levels[0], np.ndarray) or picture.size <= WHOLE:
        return picture.read((0, 0, *picture.shape))
    return picture


def read_item(item: Item) -> Loaded:
    """Read the pixels of an item; of a large one that can be read in parts, only open it.

    Raises
    ------
    UserError
        If they cannot be read, or a stack is too large.
    """
    info = image_info(item.path)
    planes = info.planes if not item.plane else 1
    lead: Plane = (planes,) if planes > 1 else ()
    first = read_plane(item, (0,) if lead else ())
    if isinstance(first, LargeImage):
        return _opened(item, first, lead)
    pixels = first
    if lead:
        if planes * first.nbytes > MOST_BYTES:
            raise UserError(
                f"{item.path}: {planes} planes of {info.height}×{info.width} px are too many to "
                "be read at once: save it as several files, or list single planes in a COCO file"
            )
        rest = [np.asarray(read_plane(item, (k,))) for k in range(1, planes)]
        pixels = np.stack([first, *rest])
    rgb = pixels.ndim == 3 + len(lead)
    # napari takes colours by the range of their type, and wants three of them.
    if rgb and (pixels.dtype != np.uint8 or pixels.shape[-1] != 3):
        shown = [normalize(p) for p in (pixels if lead else [pixels])]
        pixels = np.clip(np.stack(shown) if lead else shown[0], 0, 1)
    return Loaded(pixels, rgb, lead, _ends(find_levels(pixels[0] if lead else pixels)))


def _opened(item: Item, first: LargeImage, lead: Plane) -> Loaded:
    """Return levels that are read where they are looked at."""
    rest = [read_plane(item, (k,)) for k in range(1, lead[0])] if lead else []
    pictures = [first, *(p for p in rest if isinstance(p, LargeImage))]
    levels = levels_of(pictures, lead)
    return Loaded(levels, levels[0].ndim == 3 + len(lead), lead, _ends(first.find_levels()))


def _ends(levels: tuple[float, float]) -> tuple[float, float]:
    low, high = levels
    return (low, high) if high > low else (low, low + 1)


@dataclass(eq=False)
class _Entry:
    """An item that is wanted: loaded, or under way."""

    loaded: Loaded | None = None
    waiting: list[Callable[[Outcome], None]] = field(default_factory=list)


class Loader:
    """Reads items before they are asked for, and lets those go that are wanted no more.

    Attributes
    ----------
    lock : Lock
        Held while a thread opens or closes the reviews of an item.

    Notes
    -----
    All methods are called on the main thread. A thread that opens or closes reviews holds the
    lock and looks first whether the item is still (or again) wanted, so that a review is
    never closed under those who show it.
    """

    def __init__(self, workspace: Workspace, tell: Tell) -> None:
        self.workspace = workspace
        self.lock = threading.Lock()
        self._tell = tell
        self._entries: dict[int, _Entry] = {}
        self._tasks = Tasks("nuclei-read", 2)

    def wants(self, number: int) -> bool:
        """Whether an item is shown or read ahead; from any thread."""
        return number in self._entries

    def is_read_only(self, number: int) -> bool:
        """Whether an item was read when another window had its review open."""
        entry = self._entries.get(number)
        return entry is not None and entry.loaded is not None and entry.loaded.read_only

    def load(self, number: int, then: Callable[[Outcome], None] | None = None) -> None:
        """Read an item; `then` is called at once if it is there, else when it is."""
        entry = self._entries.get(number)
        if entry is None:
            entry = self._entries[number] = _Entry()
            self._tasks.do(
                partial(self._read, number, entry), partial(self._on_read, number, entry)
            )
        if then is None:
            return
        if entry.loaded is not None:
            then(Outcome(entry.loaded))
        else:
            entry.waiting.append(then)

    def keep(self, numbers: Iterable[int]) -> None:
        """Let go of all items but these."""
        wanted = set(numbers)
        for number in [n for n in self._entries if n not in wanted]:
            self.drop(number)

    def drop(self, number: int) -> None:
        """Let go of an item, closing its reviews on a thread."""
        if self._entries.pop(number, None) is not None:
            self.let_go(number)

    def forget(self) -> None:
        """Begin anew, after somebody else has closed the reviews."""
        self._entries.clear()

    def let_go(self, number: int) -> None:
        """Close the reviews of an item on a thread, unless it is wanted."""
        self._tasks.do(partial(self._release, number), self._on_release)

    def close(self) -> None:
        """Stop; whoever has the workspace closes its reviews."""
        self._entries.clear()
        self._tasks.close()

    # -- on a thread ------------------------------------------------------------------

    def _read(self, number: int, entry: _Entry) -> Loaded | None:
        item = self.workspace.items[number]
        loaded = read_item(item)
        lead, there = loaded.lead, self.workspace.journals
        keys = there.planes(item.path, lead[0]) if lead else [item.plane]
        notices: list[str] = []
        read_only = False
        with self.lock:
            if self._entries.get(number) is not entry:
                return None
            for key in keys:
                review = self.workspace.review(item.path, key, item.part)
                read_only |= review.read_only
                notices += review.warnings
        values = loaded.pixels, loaded.rgb, loaded.lead, loaded.levels
        offer = None if begun(item.path) else first_trace(item.path)
        return Loaded(*values, tuple(dict.fromkeys(notices)), read_only, offer)

    def _release(self, number: int) -> list[str]:
        """Close the reviews of an item unless it is wanted; return what a person should know."""
        item = self.workspace.items[number]
        said = []
        with self.lock:
            if number in self._entries:
                return []
            one = bool(item.plane or item.part)
            planes = [item.plane] if one else self.workspace.open_planes(item.path)
            for plane in planes:
                try:
                    moved = self.workspace.release(item.path, plane, item.part)
                except UserError as error:
                    said.append(str(error))
                else:
                    said += [f"The review of {item.name} is kept in {moved}."] if moved else []
        return said

    # -- back on the main thread ------------------------------------------------------

    def _on_read(self, number: int, entry: _Entry, outcome: Outcome) -> None:
        if self._entries.get(number) is not entry:
            return
        entry.loaded = outcome.value
        if outcome.error is not None:
            self.drop(number)  # so that it is tried again when it is asked for again
        waiting, entry.waiting = entry.waiting, []
        for then in waiting:
            then(outcome)

    def _on_release(self, outcome: Outcome) -> None:
        for line in outcome.value or ():
            self._tell(line)
