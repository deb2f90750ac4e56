"""`ExportDialog`: asks which file to export, and under which image id.

Here: asking. Not here: writing (`export.py`).
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ..errors import UserError
from ..formats.registry import FORMATS, WRITABLE, Format
from .export import Request, find_image_id
from .parts import line
from .record import Record


class ExportDialog(QDialog):
    """Asks what to export of a record; the answer is `request`."""

    def __init__(self, record: Record, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export nuclei")
        self.setMinimumWidth(420)
        self._record = record
        self.request: Request | None = None
        self.format_box = QComboBox()
        for name in WRITABLE:
            self.format_box.addItem(FORMATS[name].title, name)
        self.about = line()
        self.about.setMinimumWidth(300)
        self.id_box = QSpinBox()
        self.id_box.setRange(0, 2**31 - 1)
        self.id_box.setValue(record.image_id)
        self._id_label = QLabel("Image id")
        self.look_up_button = QPushButton("Look up…")
        self.look_up_button.setToolTip(
            "Find the id of this image in a competition's list of ids or in a COCO file"
        )
        self.problem = line()
        self.problem.hide()
        self._lay_out()
        self.format_box.currentIndexChanged.connect(self._on_format)
        self.look_up_button.clicked.connect(self._on_look_up)
        self._on_format()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.addRow("Format", self.format_box)
        form.addRow("", self.about)
        ids = QHBoxLayout()
        ids.addWidget(self.id_box, 1)
        ids.addWidget(self.look_up_button)
        form.addRow(self._id_label, ids)
        form.addRow(self.problem)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        save = QPushButton("Save as…")
        save.setDefault(True)
        buttons.addButton(save, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_save)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)

    @property
    def format(self) -> Format:
        """The format."""
        return FORMATS[str(self.format_box.currentData())]

    def _on_format(self) -> None:
        self.about.setText(self.format.about)
        # Only these two hold an id.
        for widget in (self.id_box, self.look_up_button, self._id_label):
            widget.setVisible(self.format.name in ("coco", "results"))

    def _on_look_up(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "List of image ids", "", "JSON (*.json)")
        if name:
            self.look_up(Path(name))

    def look_up(self, path: Path) -> None:
        """Take the image's id from a list of ids."""
        try:
            self.id_box.setValue(find_image_id(path, self._record.file_name, self._record.shape))
            self.problem.hide()
        except UserError as error:
            self.problem.setText(f"⚠ {error}")
            self.problem.show()

    def _on_save(self) -> None:
        stem = Path(self._record.file_name).stem or "nuclei"
        ending = self.format.ending
        if not ending:
            name = QFileDialog.getExistingDirectory(self, "Export nuclei into a folder")
        else:
            kinds = f"{self.format.title} (*{' *'.join(self.format.endings)})"
            name, _ = QFileDialog.getSaveFileName(self, "Export nuclei", stem + ending, kinds)
        if not name:
            return
        path = Path(name)
        if not path.suffix and ending:
            path = path.with_name(path.name + ending)
            if path.exists() and not self._may_replace(path):
                return
        self.request = Request(path, self.format.name, self.id_box.value())
        self.accept()

    def _may_replace(self, path: Path) -> bool:
        """Ask again: the file dialog has asked about the name without its ending."""
        yes = QMessageBox.StandardButton.Yes
        question = f"{path.name} already exists. Do you want to replace it?"
        return QMessageBox.question(self, "Export nuclei", question) == yes


def ask_export(record: Record, parent: QWidget) -> Request | None:
    """Ask what to export; None if the person thinks better of it."""
    dialog = ExportDialog(record, parent)
    dialog.exec()
    dialog.deleteLater()
    return dialog.request
