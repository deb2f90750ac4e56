"""`FolderPanel`: the list of images of a folder, and what is done to all of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QModelIndex, Qt, QUrl, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...nuclei.counts import Stage
from ...wording import counted
from ..qt_helpers import combo, line, on_keys, when_closed
from ..segment.engine import Engine
from ..segment.settings_panel import SettingsPanel
from .all_panel import AllPanel
from .delegate import FolderDelegate
from .folder import Folder
from .list_model import NUMBER, Filter, FolderFilter, FolderModel

HEIGHT = 190
"""Of the list in px: room for three images and a half."""

EMPTY = (
    "<b>Many images?</b><br>Open a folder, a competition's list or a COCO file to go through its "
    "images one by one; or drop it here."
)


class FolderPanel(QFrame):
    """Shows the images of a folder. Signal: `said` (text, whether it is a problem)."""

    said = Signal(str, bool)

    def __init__(self, folder: Folder, engine: Engine, settings: SettingsPanel) -> None:
        super().__init__()
        self.folder = folder
        self.model = FolderModel(folder, self)
        self.filter = FolderFilter(self.model, self)
        self.about = line()
        self.folder_button = QPushButton("Open folder…")
        self.list_button = QPushButton("Open list…")
        self.list_button.setToolTip(
            "A competition's list of images (test_img_ids.json) or a COCO file"
        )
        self.close_button = QPushButton("Close")
        self.search = QLineEdit()
        self.stage_box = combo("Which images are listed")
        self.view = _list_view(self.filter)
        self.previous_button = QPushButton("◀ Image")
        self.next_button = QPushButton("Image ▶")
        self.all = AllPanel(folder, engine, settings)
        self.previous_button.setToolTip("Previous image (Page Up)")
        self.next_button.setToolTip("Next image (Page Down)")
        self._empty = True  # nothing is open in the viewer
        self._inside = QWidget()
        self._lay_out()
        self.setAcceptDrops(True)
        self._connect()
        self.show_state()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.about)
        row = QHBoxLayout()
        for button in (self.folder_button, self.list_button, self.close_button):
            row.addWidget(button)
        column.addLayout(row)
        inside = QVBoxLayout(self._inside)
        inside.setContentsMargins(0, 0, 0, 0)
        chosen = QHBoxLayout()
        self.search.setPlaceholderText("Find an image")
        self.search.setClearButtonEnabled(True)
        self.stage_box.setMinimumContentsLength(5)
        for stage in Filter:
            self.stage_box.addItem(stage.value, stage)
        chosen.addWidget(self.search, 3)
        chosen.addWidget(self.stage_box, 2)
        inside.addLayout(chosen)
        inside.addWidget(self.view)
        turn = QHBoxLayout()
        turn.addWidget(self.previous_button)
        turn.addWidget(self.next_button)
        inside.addLayout(turn)
        inside.addWidget(self.all)
        column.addWidget(self._inside)

    def _connect(self) -> None:
        folder = self.folder
        self.folder_button.clicked.connect(self._on_open_folder)
        self.list_button.clicked.connect(self._on_open_list)
        self.close_button.clicked.connect(folder.leave)
        self.search.textChanged.connect(self._on_filter)
        self.stage_box.currentIndexChanged.connect(self._on_filter)
        self.view.clicked.connect(self._on_row)
        self.view.activated.connect(self._on_row)
        self.previous_button.clicked.connect(partial(folder.step, -1))
        self.next_button.clicked.connect(partial(folder.step, 1))
        self.all.said.connect(self.said)
        folder.opened.connect(self._on_opened)
        folder.ended.connect(self.show_state)
        folder.turned.connect(self._on_turned)
        folder.counted.connect(self._on_counted)
        folder.failed.connect(self._on_failed)
        folder.missed.connect(self._on_missed)

    # -- opening ----------------------------------------------------------------------

    def open(self, path: Path, images: Path | None = None) -> None:
        """Open a folder, an image, a list or a COCO file."""
        self.said.emit(f"Opening {path.name}", False)
        self.folder.open(path, images)

    def _on_open_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open a folder of images", self._near())
        if name:
            self.open(Path(name))

    def _on_open_list(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a list of images or a COCO file", self._near(), "JSON (*.json)"
        )
        if name:
            self.open(Path(name))

    def _bind_keys(self) -> None:
        """Have Page Down and Page Up on the canvas go from image to image; it is docked by now."""
        when_closed(self, self.folder.session.close)
        step, key = self.folder.step, Qt.Key
        on_keys(self, {key.Key_PageDown: partial(step, 1), key.Key_PageUp: partial(step, -1)})

    def _near(self) -> str:
        workspace = self.folder.workspace
        return "" if workspace is None else str(workspace.path.parent)

    def _on_missed(self, path: Path) -> None:
        """Ask where the images of a list are."""
        name = QFileDialog.getExistingDirectory(
            self, f"Where are the images of {path.name}?", str(path.parent)
        )
        if name:
            self.open(path, Path(name))

    def _on_opened(self) -> None:
        workspace = self.folder.workspace
        remarks = [] if workspace is None else workspace.remarks
        self.said.emit(" ".join(remarks), bool(remarks))
        self._bind_keys()
        for widget in (self.search, self.stage_box):
            widget.blockSignals(True)
        self.search.clear()
        self.stage_box.setCurrentIndex(0)
        for widget in (self.search, self.stage_box):
            widget.blockSignals(False)
        self._on_filter()
        self.show_state()

    def _on_failed(self, error: Exception) -> None:
        self.said.emit(str(error) or type(error).__name__, True)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take a folder, an image or a list."""
        if event is not None and _dropped(event) is not None:
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take it everywhere on the panel."""
        if event is not None and _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Open what is dropped."""
        path = None if event is None else _dropped(event)
        if event is not None and path is not None:
            event.acceptProposedAction()
            self.open(path)

    # -- what is shown ----------------------------------------------------------------

    def show_empty(self, empty: bool) -> None:
        """Say what this panel is for only while nothing is open: later the room is needed."""
        self._empty = empty
        self.about.setVisible(empty or self.folder.workspace is not None)

    def show_state(self) -> None:
        """Bring everything up to date."""
        folder = self.folder
        is_open = folder.workspace is not None
        self._inside.setVisible(is_open)
        self.close_button.setVisible(is_open)
        self.about.setText(self._summary() if is_open else EMPTY)
        self.about.setVisible(is_open or self._empty)
        self.about.setToolTip(
            "\n".join([str(folder.workspace.path), *folder.workspace.remarks])
            if folder.workspace
            else ""
        )
        at = folder.current if folder.asked is None else folder.asked
        self.previous_button.setEnabled(folder.neighbour(at, -1) is not None)
        self.next_button.setEnabled(folder.neighbour(at, 1) is not None)
        self.all.show_state()

    def _summary(self) -> str:
        folder = self.folder
        assert folder.workspace is not None
        name = self.fontMetrics().elidedText(
            folder.workspace.path.name, Qt.TextElideMode.ElideMiddle, 240
        )
        total = len(folder.items)
        done, begun = (folder.standings.number_at(s) for s in (Stage.COMPLETE, Stage.BEGUN))
        parts = [f"{done:,} of {counted(total, 'image')} complete"]
        parts += [f"{begun:,} begun"] if begun else []
        parts += (
            [f"⚠ {len(folder.standings.problems):,} with problems"]
            if folder.standings.problems
            else []
        )
        return f"<b>{name}</b><br>{' · '.join(parts)}"

    def _on_counted(self, numbers: list[int]) -> None:
        self.show_state()

    def _on_filter(self, change: Any = None) -> None:
        stage = Filter(self.stage_box.currentData())
        self.filter.choose(self.search.text().strip(), stage)
        self._set_order()
        self._follow()

    def _set_order(self) -> None:
        """Have Next and Previous go through what is listed."""
        if self.filter.text or self.filter.stage is not Filter.ALL:
            self.folder.set_order(self.filter.numbers())
        else:
            self.folder.set_order(range(len(self.folder.items)))
        self.show_state()

    def _on_turned(self) -> None:
        self.show_state()
        self._follow()

    def _follow(self) -> None:
        """Select and show the row of the image in view."""
        folder = self.folder
        number = folder.current if folder.asked is None else folder.asked
        if number is None:
            return
        row = self.filter.mapFromSource(self.model.index(number))
        if row.isValid():
            self.view.setCurrentIndex(row)
            self.view.scrollTo(row)

    def _on_row(self, row: QModelIndex) -> None:
        number = row.data(NUMBER)
        folder = self.folder
        if number is not None and (number != folder.current or not folder.layers.are_shown):
            folder.go_to(number)


def _list_view(model: FolderFilter) -> QListView:
    """Make a list that stays quick with thousands of rows."""
    view = QListView()
    view.setModel(model)
    view.setItemDelegate(FolderDelegate(view))
    view.setUniformItemSizes(True)
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setFixedHeight(HEIGHT)
    view.setMouseTracking(True)
    return view


def _dropped(event: QDropEvent) -> Path | None:
    """Return the one file or folder that is dragged, if it is one."""
    data = event.mimeData()
    urls: list[QUrl] = [] if data is None else data.urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    return Path(urls[0].toLocalFile())
