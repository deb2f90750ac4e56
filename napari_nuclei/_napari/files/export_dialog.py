"""`ExportDialog`: asks which file to export, and under which image id."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget

from ...errors import UserError
from ..layers.record import Record
from ..qt_helpers import line
from .export import Request, find_image_id
from .format_dialog import FormatDialog


class ExportDialog(FormatDialog):
    """Asks what to export of a record; the answer is `request`."""

    def __init__(self, record: Record, parent: QWidget | None = None) -> None:
        super().__init__("Export nuclei", parent=parent)
        self._record = record
        self.request: Request | None = None
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
        ids = QHBoxLayout()
        ids.addWidget(self.id_box, 1)
        ids.addWidget(self.look_up_button)
        self.form.addRow(self._id_label, ids)
        self.form.addRow(self.problem)
        self.look_up_button.clicked.connect(self._on_look_up)
        self.finish()

    def show_format(self) -> None:
        """Offer an image id where the format has one."""
        super().show_format()
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

    def proposed(self) -> Path:
        """Return a name like that of the image, beside it if it has a file."""
        stem = Path(self._record.file_name).stem or "nuclei"
        return Path(stem) if self._record.file is None else self._record.file.parent / stem

    def accept(self) -> None:
        """Take the answer."""
        if self.path is not None:
            self.request = Request(self.path, self.format.name, self.id_box.value())
        super().accept()


def ask_export(record: Record, parent: QWidget) -> Request | None:
    """Ask what to export; None if the person thinks better of it."""
    dialog = ExportDialog(record, parent)
    dialog.exec()
    dialog.deleteLater()
    return dialog.request
