"""`FormatDialog`: asks for a file format and a place, for one image or for many, in one dialog."""

from __future__ import annotations

import os
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from ...formats.format import Format
from ...formats.registry import FORMATS, odd_ending, offered
from ..qt_helpers import calm, line


class FormatDialog(QDialog):
    """Asks which format, and where to; proposes both, so that Return is an answer.

    Attributes
    ----------
    path : Path or None
        The file or folder that was chosen.
    form : QFormLayout
        For further rows, which go below the format.
    place : QLineEdit
        Path of the file or folder.
    """

    def __init__(self, title: str, many: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(480)
        self.path: Path | None = None
        self._many = many
        self.format_box = QComboBox()
        for name in offered():
            self.format_box.addItem(FORMATS[name].title, name)
        self.about = line()
        self.about.setMinimumWidth(300)
        self.place = QLineEdit()
        self.browse_button = QPushButton("Browse…")
        self.note = line()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.save_button = QPushButton("Export")
        self._place_label = QLabel()
        self._place_label.setBuddy(self.place)
        self._was_folder = False
        self.form = QFormLayout(self)
        self.form.addRow("Format", self.format_box)
        self.form.addRow("", self.about)

    def finish(self) -> None:
        """Add place and buttons, below all rows."""
        place = QHBoxLayout()
        place.addWidget(self.place, 1)
        place.addWidget(self.browse_button)
        self.form.addRow(self._place_label, place)
        self.form.addRow("", self.note)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton(self.save_button, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_save)
        buttons.rejected.connect(self.reject)
        self.form.addRow(buttons)
        self.save_button.setDefault(True)  # once it is in the dialog: else it goes with the focus
        calm(self)
        self.browse_button.clicked.connect(self._on_browse)
        self.place.textChanged.connect(self._show_note)
        self.format_box.currentIndexChanged.connect(self.show_format)
        self.show_format()
        self.save_button.setFocus()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Export on Return wherever the focus is; a button that has it takes Return itself."""
        plain = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event is not None and event.key() in keys and event.modifiers() in plain:
            self._on_save()
        else:
            super().keyPressEvent(event)

    @property
    def format(self) -> Format:
        """The format that is chosen."""
        return FORMATS[str(self.format_box.currentData())]

    @property
    def into_folder(self) -> bool:
        """Whether what is written goes into a folder, a file or a folder an image."""
        return not self.format.ending or (self._many and self.format.per_image)

    def show_format(self) -> None:
        """Say what the chosen format holds; the rows that depend on it follow."""
        place = " One file per image, in a folder." if self._many and self.format.per_image else ""
        self.about.setText(self.format.about + place)
        self._place_label.setText("Folder" if self.into_folder else "File")
        self.place.setText(str(self._place_for_format()))
        self._was_folder = self.into_folder
        self._show_note()

    def proposed(self) -> Path:
        """Return the place to begin with, without its ending."""
        raise NotImplementedError

    def chosen(self) -> Path | None:
        """Return the place as it stands, a file with its ending; None if there is none."""
        text = self.place.text().strip()
        if not text:
            return None
        path = Path(text).expanduser()
        if self.into_folder or path.suffix or path.is_dir():
            return path
        return path.with_name(path.name + self.format.ending)

    def _place_for_format(self) -> Path:
        """Keep folder and name that a person has typed, with the format's ending."""
        start = self.proposed()
        text = self.place.text().strip()
        if text and self._was_folder:
            start = Path(text) / start.name
        elif text:
            before = Path(text)
            endings = [e for f in FORMATS.values() for e in f.endings if before.name.endswith(e)]
            start = before.with_name(before.name.removesuffix(max(endings, key=len, default="")))
        elif not start.is_absolute():
            # Started from a menu, programs find themselves where nothing can be written.
            start = (Path.cwd() if os.access(Path.cwd(), os.W_OK) else Path.home()) / start
        if self.into_folder:
            return start.parent
        return start.with_name(start.name + self.format.ending)

    def _show_note(self) -> None:
        """Say what the place means: what is replaced, or why nothing can be written there."""
        path = self.chosen()
        problem, note = "", ""
        if path is None:
            problem = "Choose where to write."
        elif self.into_folder:
            count = len(list(path.glob(f"*{self.format.ending}"))) if self.format.ending else 0
            if path.exists() and not path.is_dir():
                problem = f"{path.name} is a file: choose a folder."
            elif count:  # folders of masks replace nothing
                files = "a file" if count == 1 else f"{count:,} files"
                note = f"Holds {files} of this kind. Those of the same images will be replaced."
        elif path.is_dir():
            problem = f"{path.name} is a folder: enter the name of a file in it."
        elif not path.parent.is_dir():
            problem = f"There is no folder {path.parent}: choose another one."
        elif path.exists():
            note = f"{path.name} exists already and will be replaced."
        elif odd := odd_ending(path, self.format):
            note = odd
        elif path.name != Path(self.place.text().strip()).name:
            note = f"Writes {path.name}."
        self.note.setText(f"⚠ {problem or note}" if problem or "replaced" in note else note)
        if problem and self.focusWidget() is self.save_button:
            self.place.setFocus()  # not Cancel, which comes next
        self.save_button.setEnabled(not problem)
        replaces = path is not None and not problem and not self.into_folder and path.exists()
        self.save_button.setText("Replace" if replaces else "Export")
        self.place.setToolTip(self.place.text())

    def _on_save(self) -> None:
        said = self.note.text()
        self._show_note()  # files may have come or gone meanwhile
        if self.save_button.isEnabled() and self.note.text() == said:
            self.path = self.chosen()
            self.accept()

    def _on_browse(self) -> None:
        start = str(self.chosen() or self.proposed())
        if self.into_folder:
            title = f"{self.windowTitle()} into a folder"
            name = QFileDialog.getExistingDirectory(self, title, start)
        else:
            kinds = f"{self.format.title} (*{' *'.join(self.format.endings)})"
            # What is replaced is said in this dialog, where the ending is known.
            unasked = QFileDialog.Option.DontConfirmOverwrite
            name, _ = QFileDialog.getSaveFileName(
                self, self.windowTitle(), start, kinds, options=unasked
            )
        if name:
            self.place.setText(name)
