"""`FormatDialog`: asks for a file format and a place, for one image or for many.

Here: what the dialogs of all exports have in common. Not here: what each asks besides
(`export_dialog.py`, `export_all.py`), writing.
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QMessageBox,
    QPushButton,
    QWidget,
)

from ..formats.registry import FORMATS, WRITABLE, Format
from .parts import line


class FormatDialog(QDialog):
    """Asks which format, and where to.

    Attributes
    ----------
    path : Path or None
        The file or folder that was chosen.
    form : QFormLayout
        For further rows, which go below the format.
    """

    def __init__(self, title: str, many: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(420)
        self.path: Path | None = None
        self._many = many
        self.format_box = QComboBox()
        for name in WRITABLE:
            self.format_box.addItem(FORMATS[name].title, name)
        self.about = line()
        self.about.setMinimumWidth(300)
        self.form = QFormLayout(self)
        self.form.addRow("Format", self.format_box)
        self.form.addRow("", self.about)

    def finish(self) -> None:
        """Add the buttons, below all rows."""
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        save = QPushButton("Save as…")
        save.setDefault(True)
        buttons.addButton(save, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_save)
        buttons.rejected.connect(self.reject)
        self.form.addRow(buttons)
        self.format_box.currentIndexChanged.connect(self.show_format)
        self.show_format()

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
        place = " A file an image, in a folder." if self._many and self.format.per_image else ""
        self.about.setText(self.format.about + place)

    def proposed(self) -> Path:
        """Return the place to begin with, without its ending."""
        raise NotImplementedError

    def _on_save(self) -> None:
        self.path = self._ask_folder() if self.into_folder else self._ask_file()
        if self.path is not None:
            self.accept()

    def _ask_folder(self) -> Path | None:
        near = str(self.proposed().parent)
        name = QFileDialog.getExistingDirectory(self, f"{self.windowTitle()} into a folder", near)
        path = Path(name) if name else None
        if path is None or not self.format.ending:  # folders of masks replace nothing
            return path
        count = len(list(path.glob(f"*{self.format.ending}")))
        if not count:
            return path
        files = "a file" if count == 1 else f"{count:,} files"
        what = f"{path.name} holds {files} of this kind. Those of the same images are replaced."
        return path if self._agrees(f"{what} Do you want that?") else None

    def _ask_file(self) -> Path | None:
        ending = self.format.ending
        start = self.proposed()
        kinds = f"{self.format.title} (*{' *'.join(self.format.endings)})"
        name, _ = QFileDialog.getSaveFileName(
            self, self.windowTitle(), str(start.with_name(start.name + ending)), kinds
        )
        path = Path(name) if name else None
        if path is None or path.suffix:
            return path
        # The file dialog has asked about the name without its ending.
        path = path.with_name(path.name + ending)
        question = f"{path.name} already exists. Do you want to replace it?"
        return path if not path.exists() or self._agrees(question) else None

    def _agrees(self, question: str) -> bool:
        yes = QMessageBox.StandardButton.Yes
        return QMessageBox.question(self, self.windowTitle(), question) == yes
