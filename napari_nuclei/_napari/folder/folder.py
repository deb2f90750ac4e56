"""`Folder`: the images of a workspace in a viewer, one at a time.

    go_to ─▶ Loader.load ─ thread ─▶ _show: new layers in, old ones out ─▶ Loader.load(next)

Each wish has a generation number: what was read for an older one is kept if it is the next
image, and let go otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from ...errors import UserError
from ...journal.lost import Trace
from ...workspace.files import Item, MissingImagesError
from ...workspace.workspace import Workspace
from ..background.tasks import Outcome, Tasks
from ..layers.bridge import Bridge
from ..session.session import Session
from .counts import Standings
from .item_layers import ItemLayers
from .item_reading import Loaded
from .loading import Loader
from .places import Places

if TYPE_CHECKING:
    from napari.viewer import Viewer

_folders: WeakKeyDictionary[Any, Folder] = WeakKeyDictionary()


class Folder(QObject):
    """The workspace of a viewer; made with `Folder.of`.

    Attributes
    ----------
    workspace : Workspace or None
        What is open.
    current : int or None
        Number of the item in view.
    order : sequence of int
        The items that Next and Previous go through; all by default.
    standings : Standings
        How far each item is, and what is wrong with it.
    asked : int or None
        Number of the item that is being read to be shown.
    layers : ItemLayers
        Those of the item in view.

    Notes
    -----
    Signals: `opened`; `turned`, another item is in view or asked for; `counted` (numbers), more is
    known of these; `failed` (Exception), nothing was opened; `missed` (path), its images are
    elsewhere; `ending` and `ended`, the workspace is about to be closed, and is.
    """

    opened = Signal()
    turned = Signal()
    counted = Signal(list)
    failed = Signal(object)
    missed = Signal(object)
    ending = Signal()
    ended = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.workspace: Workspace | None = None
        self.loader: Loader | None = None
        self.current: int | None = None
        self.asked: int | None = None
        self.order: Sequence[int] = ()
        self.standings = Standings(self)
        self.layers = ItemLayers(session)
        self._generation = 0
        self._tasks: Tasks | None = None
        self._places = Places(self.layers, session.viewer, self)
        session.changed.connect(self._on_changed)
        session.closing.connect(self.close)
        session.offers.takers.append(self._begin_with)
        self.standings.counted.connect(self.counted)

    @staticmethod
    def of(viewer: Any) -> Folder:
        """Return the folder of a viewer."""
        session = Session.of(viewer)
        if session.viewer not in _folders:
            _folders[session.viewer] = Folder(session)
        return _folders[session.viewer]

    @staticmethod
    def known_of(session: Session) -> Folder | None:
        """Return the folder of a session's viewer, if one was ever asked for."""
        return _folders.get(session.viewer)

    @property
    def viewer(self) -> Viewer:
        """The viewer."""
        return self.session.viewer

    @property
    def items(self) -> tuple[Item, ...]:
        """The images; none if nothing is open."""
        return () if self.workspace is None else self.workspace.items

    @property
    def bridge(self) -> Bridge | None:
        """The bridge of the review layer of the item in view."""
        return self.layers.bridge

    # -- opening ----------------------------------------------------------------------

    def open(self, path: Path, images: Path | None = None) -> None:
        """Open a folder, an image, a list of images or a COCO file, in place of what is open.

        `images` is the folder that a list's images lie in.
        """
        self._generation += 1
        if self._tasks is None:
            self._tasks = Tasks("nuclei-folder", parent=self)
        then = partial(self._on_opened, self._generation, path)
        self._tasks.do(partial(Workspace, path, images), then)

    def _on_opened(self, generation: int, path: Path, outcome: Outcome) -> None:
        if generation != self._generation:
            return
        if isinstance(outcome.error, MissingImagesError):
            self.missed.emit(path)
        elif outcome.error is not None:
            self.failed.emit(outcome.error)
        else:
            self.begin(outcome.value)

    def begin(self, workspace: Workspace) -> None:
        """Show a workspace, in place of what is open; the place where it was left comes back."""
        if not self.leave():
            return
        self.workspace = workspace
        self.loader = Loader(workspace, self.session.announce)
        self.order = range(len(self.items))
        self.standings.start(workspace)
        self.opened.emit()
        self.go_to(self._places.begin(workspace))

    # -- going from image to image ----------------------------------------------------

    def go_to(self, number: int) -> None:
        """Show an item as soon as it is read; the one in view stays until then."""
        self._ask(number, 0)

    def step(self, by: int) -> None:
        """Go to the next item of `order` (1) or to the one before (−1)."""
        number = self.neighbour(self.current if self.asked is None else self.asked, by)
        if number is None:
            self.session.hint(f"This is the {'last' if by > 0 else 'first'} image.")
        else:
            self._ask(number, by)

    def _ask(self, number: int, by: int) -> None:
        if self.loader is None:
            return
        self._generation += 1
        self.asked = number
        self.turned.emit()
        if number != self.current and self.loader.is_read_only(number):
            self.loader.drop(number)  # it was another window's, and may be free by now
        self.loader.load(number, partial(self._on_loaded, self._generation, number, by))

    def set_order(self, numbers: Sequence[int]) -> None:
        """Choose which items Next and Previous go through."""
        if list(numbers) != list(self.order):
            self.order = numbers
            self._read_ahead()

    def neighbour(self, number: int | None, by: int) -> int | None:
        """Return the item that lies so many places from one in `order`; None beyond its ends."""
        order = list(self.order)
        at = order.index(number) + by if number in order else 0
        return order[at] if 0 <= at < len(order) else None

    def _on_loaded(self, generation: int, number: int, by: int, outcome: Outcome) -> None:
        """Show what was read, once a stroke on the image in view is done."""
        self.session.hand.when_free(partial(self._receive, generation, number, by, outcome))

    def _receive(self, generation: int, number: int, by: int, outcome: Outcome) -> None:
        if generation != self._generation:
            return
        if outcome.error is not None:
            self._on_unreadable(number, by, outcome.error)
        else:
            self._show(number, outcome.value)

    def _on_unreadable(self, number: int, by: int, error: Exception) -> None:
        self.standings.set_problem(number, str(error))
        self.session.announce(f"{error} It is left out." if by else str(error))
        further = self.neighbour(number, by) if by else None
        self.asked = None if further is None else number
        if further is not None:
            self.step(by)
        else:
            self.turned.emit()

    def _show(self, number: int, loaded: Loaded) -> None:
        """Bring an item into view, and begin to read the next one."""
        assert self.workspace is not None
        self._places.note()
        self.standings.count_now()
        bridge = self.layers.show(self.workspace, number, loaded)
        self.current, self.asked = number, None
        view = self._places.of(number)
        if view is None:
            self.viewer.reset_view()
        else:
            view.give(self.viewer, bridge)
        self._places.note()
        self.standings.set_problem(number, "")
        for notice in loaded.notices:
            self.session.tell(notice)
        self._read_ahead()
        self.turned.emit()

    def _begin_with(self, image: Image, trace: Trace) -> bool:
        """Have the item in view go on with a copy of another image's review, if it is of it."""
        if self.layers.image is not image:
            return False
        if self.loader is not None and self.current is not None:
            self.loader.begin_with(self.current, trace)
            self.go_to(self.current)
        return True

    def _read_ahead(self) -> None:
        """Read the next item, and let go of all others."""
        if self.loader is None or self.current is None:
            return
        following = self.neighbour(self.current, 1)
        if following in self.standings.problems:
            following = None
        self.loader.read_ahead(self.current, following)

    def _on_changed(self) -> None:
        if self.current is not None:
            self.standings.count_soon(self.current)

    # -- the end ----------------------------------------------------------------------

    def leave(self) -> bool:
        """Close the workspace and take its layers out; whether it is closed.

        It stays open while a review could be written nowhere.
        """
        try:
            moved = self._close_reviews()
        except UserError as error:
            self.session.announce(f"{error}. The folder stays open, so that nothing is lost.")
            if self.loader is not None and self.current is not None:
                self.loader.forget()
                self.go_to(self.current)  # its review is opened anew
            return False
        if self.workspace is not None:
            self.layers.remove()
            self._end(moved)
        return True

    def close(self) -> None:
        """Close the workspace, since the window is closing."""
        moved: list[str] = []
        try:
            moved = self._close_reviews()
        except UserError as error:
            self.session.announce(str(error))
        self.layers.forget()
        self._end(moved)
        if self._tasks is not None:
            self._tasks.close()
            self._tasks = None

    def _close_reviews(self) -> list[str]:
        if self.workspace is None:
            return []
        self._places.note()
        self.ending.emit()
        return self.workspace.close()

    def _end(self, moved: list[str]) -> None:
        for path in moved:
            self.session.announce(f"A review could not be saved in its place; it is in {path}.")
        self._generation += 1
        self.standings.stop()
        if self.loader is not None:
            self.loader.close()
        self.workspace = self.loader = self.current = self.asked = None
        self.order = ()
        self.ended.emit()
