"""One file of all images of a workspace: a COCO data set, or a competition's answer.

Here: asking which one, and writing it from the reviews. Not here: file formats (`formats/`), the
export of a single image (`export.py`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QMessageBox,
    QPushButton,
    QWidget,
)

from ..errors import UserError
from ..formats import coco, results
from ..formats.dataset import DataSet, ImageRecord
from ..nuclei import Nuclei
from ..progress import Progress
from ..workspace.files import Item
from ..workspace.workspace import Key, Workspace
from .export import Format
from .parts import line

LOWEST = 0.05
"""Score down to which proposals go into an answer that is ranked by score."""

ABOUT = {
    Format.COCO: "All images and all of their nuclei, with their states and what the model had "
    "said. It can be opened again and worked on.",
    Format.RESULTS: "One list of masks with scores, as a competition wants it handed in. Image "
    "ids are those of the list that is open; of a folder they count from 1.",
}


@dataclass(frozen=True, slots=True)
class RequestAll:
    """What is to be written.

    Attributes
    ----------
    path : Path
        The file.
    format : Format
        Its kind.
    hidden : bool
        Whether an answer also holds proposals below the threshold, down to `LOWEST`.
    ids : Path or None
        The list that an answer's image ids are looked up in.
    """

    path: Path
    format: Format
    hidden: bool = False
    ids: Path | None = None


def export_all(
    workspace: Workspace, live: Mapping[Key, Nuclei], request: RequestAll
) -> Generator[Progress, None, str]:
    """Write one file of all images; may run on a thread while the reviews go on.

    Parameters
    ----------
    live : mapping
        `Workspace.live` as it was when this was asked for.

    Yields
    ------
    Progress
        One for each image.

    Returns
    -------
    str
        What was written and what was left out, in a line.

    Raises
    ------
    UserError
        If the file cannot be written, no image can be read, or the list of ids lacks one.
    """
    problems: list[str] = []

    def left_out(item: Item, error: UserError) -> None:
        problems.append(str(error))

    data = yield from workspace.data_set(live, left_out)
    if not data.images:
        raise UserError(f"Nothing is written: no image can be read ({problems[0]}).")
    yield Progress(0, 0, f"Writing {request.path.name}")
    if request.format is Format.COCO:
        coco.write(request.path, data)
        count = sum(sum(1 for _ in data.of(image).shown()) for image in data.images)
    else:
        nuclei = _by_id(data, request.ids)
        count = results.write(request.path, nuclei, LOWEST if request.hidden else None)
    return _words(request.path.name, count, len(data.images), problems)


def _by_id(data: DataSet, ids: Path | None) -> dict[int, Nuclei]:
    """Return the nuclei under the ids of a list."""
    if ids is None:
        return {image.id: data.of(image) for image in data.images}
    listed = {PurePath(r.file_name).name: r for r in results.read_image_ids(ids)}
    out: dict[int, Nuclei] = {}
    for image in data.images:
        record = listed.get(PurePath(image.file_name).name)
        if record is None or record.shape != image.shape or record.id in out:
            raise UserError(_mismatch(ids, image, record))
        out[record.id] = data.of(image)
    return out


def _mismatch(ids: Path, image: ImageRecord, record: ImageRecord | None) -> str:
    if record is None:
        return f"{ids.name} does not list {image.file_name}: choose the list of these images."
    if record.shape != image.shape:
        (a, b), (c, d) = record.shape, image.shape
        return (
            f"{ids.name} says that {image.file_name} is {a}×{b} px, but it is {c}×{d} px: check "
            "that it is the same image."
        )
    return f"{ids.name} has one id for {image.file_name}, which has several planes here."


def _words(name: str, count: int, images: int, problems: list[str]) -> str:
    what = "1 nucleus" if count == 1 else f"{count:,} nuclei"
    text = f"Wrote {what} of {images:,} image{'' if images == 1 else 's'} to {name}."
    if problems:
        more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        text += f" ⚠ Left out: {problems[0]}{more}."
    return text


class ExportAllDialog(QDialog):
    """Asks what to export of a workspace; the answer is `request`."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export all images")
        self.setMinimumWidth(420)
        self._near = workspace.path if workspace.path.is_dir() else workspace.path.parent
        listed = workspace.items[0].record is not None
        self.request: RequestAll | None = None
        self.ids: Path | None = None
        self.format_box = QComboBox()
        self.format_box.addItem("COCO data set", Format.COCO)
        self.format_box.addItem("Competition results", Format.RESULTS)
        self.about = line()
        self.about.setMinimumWidth(300)
        self.hidden_box = QCheckBox(f"With proposals down to a score of {LOWEST}")
        self.hidden_box.setToolTip(
            "Competitions rank by score: masks below the threshold can only add to what they count."
        )
        self.hidden_box.setChecked(listed)
        self.ids_button = QPushButton("Image ids from a list…")
        self.ids_button.setToolTip("A competition's list of image ids, or a COCO file with images")
        self._has_ids = listed
        self._lay_out()
        self.format_box.currentIndexChanged.connect(self._on_format)
        self.ids_button.clicked.connect(self._on_ids)
        self._on_format()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.addRow("Format", self.format_box)
        form.addRow("", self.about)
        form.addRow("", self.hidden_box)
        form.addRow("", self.ids_button)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        save = QPushButton("Save as…")
        save.setDefault(True)
        buttons.addButton(save, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_save)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)

    @property
    def format(self) -> Format:
        """The kind of file."""
        return Format(self.format_box.currentData())

    def _on_format(self) -> None:
        self.about.setText(ABOUT[self.format])
        answer = self.format is Format.RESULTS
        self.hidden_box.setVisible(answer)
        self.ids_button.setVisible(answer and not self._has_ids)

    def _on_ids(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "List of image ids", str(self._near), "JSON (*.json)"
        )
        if name:
            self.ids = Path(name)
            self.ids_button.setText(f"Image ids from {self.ids.name}")

    def _on_save(self) -> None:
        ending = ".coco.json" if self.format is Format.COCO else ".results.json"
        start = str(self._near / f"{self._near.name or 'nuclei'}{ending}")
        name, _ = QFileDialog.getSaveFileName(self, "Export all images", start, "JSON (*.json)")
        if not name:
            return
        path = Path(name)
        if not path.suffix:
            path = path.with_name(path.name + ending)
            if path.exists() and not self._may_replace(path):
                return
        answer = self.format is Format.RESULTS
        hidden = answer and self.hidden_box.isChecked()
        self.request = RequestAll(path, self.format, hidden, self.ids if answer else None)
        self.accept()

    def _may_replace(self, path: Path) -> bool:
        """Ask again: the file dialog has asked about the name without its ending."""
        yes = QMessageBox.StandardButton.Yes
        question = f"{path.name} already exists. Do you want to replace it?"
        return QMessageBox.question(self, "Export all images", question) == yes


def ask_export_all(workspace: Workspace, parent: QWidget) -> RequestAll | None:
    """Ask what to export; None if the person thinks better of it."""
    dialog = ExportAllDialog(workspace, parent)
    dialog.exec()
    dialog.deleteLater()
    return dialog.request
