"""All images of a workspace in any format: one file of them all, or a file an image."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from qtpy.QtWidgets import QCheckBox, QFileDialog, QPushButton, QWidget

from ...errors import UserError
from ...formats import results
from ...formats.clashes import check_names
from ...formats.dataset import DataSet
from ...formats.image_ids import Listed
from ...formats.image_rows import texts_of
from ...formats.registry import FORMATS
from ...formats.sidecar import Sidecar
from ...formats.writing import losses, write
from ...nuclei import ImageRecord, Nuclei
from ...progress import Progress
from ...wording import counted
from ...workspace.export import gather
from ...workspace.files import Item
from ...workspace.workspace import Key, Workspace
from ..files.format_dialog import FormatDialog

LOWEST = 0.05
"""Score down to which proposals go into an answer that is ranked by score."""

RESULTS = "results"


@dataclass(frozen=True, slots=True)
class RequestAll:
    """What is to be written.

    Attributes
    ----------
    path : Path
        The file, or the folder.
    format : str
        Name of its format.
    hidden : bool
        Whether an answer also holds proposals below the threshold, down to `LOWEST`.
    ids : Path or None
        The list that an answer's image ids are looked up in.
    """

    path: Path
    format: str
    hidden: bool = False
    ids: Path | None = None


def export_all(
    workspace: Workspace,
    live: Mapping[Key, Nuclei],
    request: RequestAll,
    writing: Event | None = None,
) -> Generator[Progress, None, str]:
    """Write all images; may run on a thread while the reviews go on.

    Parameters
    ----------
    live : mapping
        `Workspace.live` as it was when this was asked for.
    writing : Event, optional
        Set once files are being written: from then on a Cancel comes too late.

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
    items = (i.record or ImageRecord(k, i.name, 0, 0) for k, i in enumerate(workspace.items, 1))
    check_names(FORMATS[request.format], items, request.path)
    problems: list[str] = []

    def left_out(item: Item, error: UserError) -> None:
        problems.append(str(error))

    data = yield from gather(workspace, live, left_out)
    if not data.images:
        raise UserError(f"Nothing was written: no image can be read ({problems[0]}).")
    yield Progress(0, 0, f"Writing {request.path.name}")
    if writing is not None:
        writing.set()
    remarks: list[str] = []
    if request.format == RESULTS:
        nuclei, texts = _by_id(data, request.ids)
        least = LOWEST if request.hidden else None
        count = results.write(request.path, nuclei, least, data.categories, texts)
        remarks += losses(request.path.name, data, FORMATS[RESULTS])
    else:
        known = {item.name: item.path for item in workspace.items}
        sidecar = Sidecar(known=known, homes=workspace.homes)
        write(request.path, data, FORMATS[request.format], sidecar)
        count = sum(1 for _, of_image in data for _ in of_image.shown())
        remarks = list(dict.fromkeys(sidecar.remarks))
    return " ".join([_summary(request.path.name, count, len(data.images), problems), *remarks])


def _by_id(data: DataSet, ids: Path | None) -> tuple[dict[int, Nuclei], dict[int, str]]:
    """Return the nuclei under the ids of a list, and those of the ids that are texts there."""
    if ids is None:
        return {image.id: data.of(image) for image in data.images}, texts_of(data.images)
    listed = Listed(results.read_image_ids(ids), ids.name)
    if unknown := listed.unknown(data.images):
        raise UserError(f"{ids.name} does not list {unknown[0]}: choose the list for these images.")
    records = listed.find_all(data.images)
    nuclei = {records[image.id].id: data.of(image) for image in data.images}
    return nuclei, texts_of(records.values())


def _summary(name: str, count: int, images: int, problems: list[str]) -> str:
    what = counted(count, "nucleus")
    text = f"Wrote {what} of {counted(images, 'image')} to {name}."
    if problems:
        more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        text += f" ⚠ Left out: {problems[0]}{more}."
    return text


class ExportAllDialog(FormatDialog):
    """Asks what to export of a workspace; the answer is `request`."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Export all images", many=True, parent=parent)
        self._near = workspace.path if workspace.path.is_dir() else workspace.path.parent
        self._has_ids = workspace.items[0].record is not None
        self.request: RequestAll | None = None
        self.ids: Path | None = None
        self.hidden_box = QCheckBox(f"Include proposals down to a score of {LOWEST}")
        self.hidden_box.setToolTip(
            "Competitions rank by score: masks below the threshold can only add to the result."
        )
        self.hidden_box.setChecked(self._has_ids)
        self.ids_button = QPushButton("Image ids from a list…")
        self.ids_button.setToolTip("A competition's list of image ids, or a COCO file with images")
        self.form.addRow("", self.hidden_box)
        self.form.addRow("", self.ids_button)
        self.ids_button.clicked.connect(self._on_ids)
        self.finish()

    def show_format(self) -> None:
        """Offer what an answer to a competition can have besides."""
        super().show_format()
        answer = self.format.name == RESULTS
        if answer and not self._has_ids:
            self.about.setText(f"{self.format.about} Without a list, image ids count from 1.")
        self.hidden_box.setVisible(answer)
        self.ids_button.setVisible(answer and not self._has_ids)

    def _on_ids(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "List of image ids", str(self._near), "JSON (*.json)"
        )
        if name:
            self.ids = Path(name)
            self.ids_button.setText(f"Image ids from {self.ids.name}")

    def proposed(self) -> Path:
        """Return a name like that of the folder, in it."""
        return self._near / (self._near.name or "nuclei")

    def accept(self) -> None:
        """Take the answer."""
        if self.path is not None:
            answer = self.format.name == RESULTS
            hidden = answer and self.hidden_box.isChecked()
            ids = self.ids if answer else None
            self.request = RequestAll(self.path, self.format.name, hidden, ids)
        super().accept()


def ask_export_all(workspace: Workspace, parent: QWidget) -> RequestAll | None:
    """Ask what to export; None if the person thinks better of it."""
    dialog = ExportAllDialog(workspace, parent)
    dialog.exec()
    dialog.deleteLater()
    return dialog.request
