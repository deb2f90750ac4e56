"""`Voice`: what a session says to the person. Not here: where it is shown (`widget.py`)."""

from __future__ import annotations

from psygnal import Signal


class Voice:
    """Lines for the person, said without knowing who shows them.

    psygnal calls an `emit` that it connects, to learn what it takes: so connect these methods.

    Attributes
    ----------
    told : Signal
        A line about something that went wrong; may come from a thread.
    hinted : Signal
        A line about what they are doing.
    helped : Signal
        They ask for the keys.
    """

    told = Signal(str)
    hinted = Signal(str)
    helped = Signal()

    def tell(self, text: str) -> None:
        """Tell the person something; from any thread."""
        self.told.emit(text)

    def hint(self, text: str) -> None:
        """Tell the person about what they are doing."""
        self.hinted.emit(text)

    def ask_for_keys(self) -> None:
        """Have the keys shown."""
        self.helped.emit()
