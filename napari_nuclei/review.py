"""`Review`: one image's nuclei with their history and selection.

Here: doing, undoing and redoing edits, and the events that tell of it. Not here: what an
edit does (`edits.py`), how it is shown (`_napari/`).
"""

from __future__ import annotations

from collections.abc import Iterable

from psygnal import Signal

from .edits import Edit
from .nuclei import Nuclei


class Review:
    """One image under review: the only way in which its nuclei change.

    Parameters
    ----------
    nuclei : Nuclei
        Changed in place by the edits.

    Notes
    -----
    `changed` is emitted after every change with the edit that was done (for an undo, the
    inverse one); `selected` with the new selection.
    """

    changed = Signal(Edit)
    selected = Signal(tuple)

    def __init__(self, nuclei: Nuclei) -> None:
        self.nuclei = nuclei
        self.done: list[Edit] = []
        self.undone: list[Edit] = []
        self.selection: tuple[int, ...] = ()

    def do(self, edit: Edit) -> None:
        """Apply an edit and put it on the history; what was undone is forgotten."""
        self.nuclei.apply(edit)
        self.done.append(edit)
        self.undone.clear()
        self._tell(edit)

    def undo(self) -> Edit | None:
        """Take the last edit back and return it; None if there is none."""
        if not self.done:
            return None
        edit = self.done.pop()
        self.nuclei.apply(edit.inverse())
        self.undone.append(edit)
        self._tell(edit.inverse())
        return edit

    def redo(self) -> Edit | None:
        """Do the last undone edit again and return it; None if there is none."""
        if not self.undone:
            return None
        edit = self.undone.pop()
        self.nuclei.apply(edit)
        self.done.append(edit)
        self._tell(edit)
        return edit

    def select(self, ids: Iterable[int]) -> None:
        """Select nuclei; ids that do not exist are left out."""
        selection = tuple(i for i in dict.fromkeys(ids) if i in self.nuclei)
        if selection != self.selection:
            self.selection = selection
            self.selected.emit(selection)

    def _tell(self, edit: Edit) -> None:
        self.changed.emit(edit)
        self.select(self.selection)
