"""Reading the items of a workspace: pixels and review, ahead of time and on a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from ...errors import UserError
from ...images.images import image_size
from ...images.planes import Plane
from ...journal.lost import Trace
from ...journal.place import begun
from ...nuclei import Nuclei
from ...review import Review
from ...workspace.files import Item
from ...workspace.workspace import Workspace
from ..background.tasks import Outcome, Tasks
from ..session.offers import copy, first_trace
from ..session.openers import IN_MEMORY
from .item_reading import Loaded, read_item

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

    def read_ahead(self, number: int, following: int | None) -> None:
        """Read the item that follows one, if there is one, and let go of all others."""
        self.keep({number} if following is None else {number, following})
        if following is not None:
            self.load(following)

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

    def begin_with(self, number: int, trace: Trace) -> None:
        """Have an item begin with a copy of a review; all is to be read anew then.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        item = self.workspace.items[number]
        with self.lock:
            for plane in self.workspace.open_planes(item.path):
                self.workspace.release(item.path, plane, item.part)
        copy(trace, item.path)
        self.forget()

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
