"""`Review`: one image's nuclei with their history and selection."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from psygnal import Signal

from .errors import EditError, UserError
from .images.planes import Plane
from .journal.about import about
from .journal.journal import MIN_SNAPSHOT_BYTES, Journal, Subject
from .journal.opening import ELSEWHERE, open_journal, take_over
from .journal.pixels import pixels_of, shape_of
from .journal.place import Pixels
from .nuclei import Nuclei
from .nuclei.counts import Counts
from .nuclei.edit import Edit, difference
from .nuclei.history import History


class Review:
    """One image under review: the only way in which its nuclei change.

    Parameters
    ----------
    nuclei : Nuclei
        Changed in place by the edits.
    journal : Journal, optional
        Where each change is recorded before it counts; `Review.open` finds it.
    done, undone : History, optional
        What can be undone and redone.

    Attributes
    ----------
    remarks : list of str
        What the person should know of it besides what its journal says.

    Notes
    -----
    `changed` is emitted after each change with the edit (for an undo, the inverse one), `selected`
    with the new selection.
    """

    changed = Signal(Edit)
    selected = Signal(tuple)

    def __init__(
        self,
        nuclei: Nuclei,
        journal: Journal | None = None,
        done: History | None = None,
        undone: History | None = None,
    ) -> None:
        self.nuclei = nuclei
        self.journal = journal
        self.done = History() if done is None else done
        self.undone = History() if undone is None else undone
        self.selection: tuple[int, ...] = ()
        self.remarks: list[str] = []
        self._counts: Counts | None = None
        self._start = nuclei
        self._channels: tuple[int, ...] | None = None

    @classmethod
    def open(
        cls,
        image: Path | None,
        plane: Plane = (),
        start: Nuclei | None = None,
        pixels: NDArray[Any] | Pixels | None = None,
        *,
        part: str = "",
        at: Path | None = None,
        known_by: str = "",
    ) -> Review:
        """Open the review of an image with its journal; begin one if there is none.

        Parameters
        ----------
        image : Path or None
            The image file; None for what has none, then `pixels` must be given.
        plane : tuple of int
            Which plane of it, counted along all axes but the last two.
        start : Nuclei, optional
            With what a new review begins, and of what size the plane is; by default no
            nuclei, and the size is read from the file. An existing journal goes first.
        pixels : ndarray or callable, optional
            The plane, or what returns it, for a journal away from the image; else read from it.
        part : str
            Which part of the plane, such as ``"c1"`` for its channel 1; all of it by default.
        at : Path, optional
            A journal that is of this image though it is called otherwise; it gets its name with
            the next change.
        known_by : str
            Hash of the pixels, where the file alone does not say what is reviewed.

        Returns
        -------
        Review
            What the person should be told of it is in ``journal.notices``; while
            ``journal.read_only`` is true, every change is refused with a `UserError`.

        Raises
        ------
        UserError
            If the image or its journal cannot be read, or no place can be written.
        """
        image = None if image is None else Path(image)
        nuclei = Nuclei(shape_of(image, pixels)) if start is None else start
        subject = Subject(nuclei.shape, image, tuple(plane), part, known_by)
        journal, found = open_journal(subject, nuclei, lambda: pixels_of(subject, pixels), at)
        review = cls(found.nuclei, journal, found.done, found.undone)
        review._start = nuclei
        return review

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed, since another window has this review open."""
        return self.journal is not None and self.journal.read_only

    @property
    def warnings(self) -> list[str]:
        """What is uncertain about it, which the person should know before they do anything."""
        return [*self.remarks, *(self.journal.warnings if self.journal is not None else ())]

    def take_over(self) -> bool:
        """Go on here if the window that had this review open has let go of it.

        What was done there is read anew, and told by `changed` as one edit that is on no
        history.

        Returns
        -------
        bool
            Whether it has just become possible to change it.
        """
        journal = self.journal
        if journal is None or journal.closed or not journal.read_only:
            return False
        try:
            found = take_over(journal, self._start)
        except UserError:
            return False
        if found is None:
            return False
        edit = difference(self.nuclei, found.nuclei)
        edit.apply_to(self.nuclei)
        self.nuclei.next_id = found.nuclei.next_id
        self.done, self.undone = found.done, found.undone
        self._counts = None
        self._tell(edit)
        return True

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of its image that a model has seen last; () where that is not known."""
        if self._channels is None:
            said = None if self.journal is None else about(self.journal.path)
            self._channels = () if said is None else said.channels
        return self._channels

    def note_channels(self, channels: tuple[int, ...]) -> None:
        """Note which channels of the image a model sees."""
        if not self.read_only and channels != self.channels:
            if self.journal is not None:
                self.journal.prepare()
                self.journal.channels(channels)
            self._channels = channels

    @property
    def counts(self) -> Counts:
        """How many nuclei there are of each kind; kept up to date, so cheap to ask for."""
        if self._counts is None:
            self._counts = Counts.of(self.nuclei)
        return self._counts

    # -- changing ---------------------------------------------------------------------

    def do(self, edit: Edit) -> None:
        """Apply an edit and put it on the history; what was undone is forgotten.

        Raises
        ------
        ValueError
            If the edit was made for another state of the nuclei; then nothing is changed.
        EditError
            If the review is open in another window.
        """
        self._check()
        line = None if self.journal is None else self.journal.line_of(edit)
        edit.apply_to(self.nuclei)
        if self.journal is not None and line is not None:
            self.journal.append(line)
        self.done.append(edit)
        self.undone.clear()
        self._tell(edit)

    def amend(self, edit: Edit) -> Edit:
        """Do an edit that goes on with the last one, as with a slider: both are undone together.

        Both must change the threshold, or replace the same nuclei.

        Returns
        -------
        Edit
            What stands on the history now.

        Raises
        ------
        ValueError
            As `do`, and if there is no last edit that this one can go on with.
        """
        self._check()
        whole = self.done[-1].then(edit) if self.done else None
        if whole is None:
            raise ValueError(f"the edit {edit.name!r} does not follow the last one")
        line = None if self.journal is None else self.journal.line_of(whole, 2)
        edit.apply_to(self.nuclei)
        if self.journal is not None and line is not None:
            self.journal.undo()
            self.journal.append(line)
        self.done.pop()
        self.done.append(whole)
        self.undone.clear()
        self._tell(edit)
        return whole

    def undo(self) -> Edit | None:
        """Take the last edit back and return it; None if there is none."""
        if not self.done:
            return None
        self._check()
        edit = self.done[-1]
        edit.inverse().apply_to(self.nuclei)
        if self.journal is not None:
            self.journal.undo()
        self.undone.append(self.done.pop())
        self._tell(edit.inverse())
        return edit

    def redo(self) -> Edit | None:
        """Do the last undone edit again and return it; None if there is none."""
        if not self.undone:
            return None
        self._check()
        edit = self.undone[-1]
        edit.apply_to(self.nuclei)
        if self.journal is not None:
            self.journal.redo()
        self.done.append(self.undone.pop())
        self._tell(edit)
        return edit

    def go_to(self, count: int) -> None:
        """Undo or redo until `count` edits are done, as a click on a line of the history."""
        if not 0 <= count <= len(self.done) + len(self.undone):
            raise ValueError(f"the history has no {count} edits")
        while len(self.done) > count:
            self.undo()
        while len(self.done) < count:
            self.redo()

    def select(self, ids: Iterable[int]) -> None:
        """Select nuclei; ids that do not exist are left out."""
        selection = tuple(i for i in dict.fromkeys(ids) if i in self.nuclei)
        if selection != self.selection:
            self.selection = selection
            self.selected.emit(selection)

    def close(self) -> str:
        """Bring everything to the disk and let others open it; see `Journal.close`.

        After that nothing can be changed any more.
        """
        if self.journal is None:
            return ""
        self.journal.offer(self.nuclei, self.done, self.undone, MIN_SNAPSHOT_BYTES)
        return self.journal.close()

    def _check(self) -> None:
        if self.read_only:
            assert self.journal is not None
            raise EditError("This review is closed." if self.journal.closed else ELSEWHERE)
        if self.journal is not None:
            self.journal.prepare()

    def _tell(self, edit: Edit) -> None:
        if edit.threshold is not None:
            self._counts = None
        elif self._counts is not None:
            self._counts.add(edit.before, self.nuclei, -1)
            self._counts.add(edit.after, self.nuclei)
        if self.journal is not None:
            self.journal.offer(self.nuclei, self.done, self.undone)
        self.changed.emit(edit)
        self.select(self.selection)
