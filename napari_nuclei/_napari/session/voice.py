"""`Voice`: what a session says to the person."""

from __future__ import annotations

from psygnal import Signal


class Voice:
    """Lines for the person, said without knowing who shows them.

    psygnal calls an `emit` that it connects, to learn what it takes: so connect these methods.

    Attributes
    ----------
    told : Signal
        A line about something that went wrong with what is in view; may come from a thread.
    announced : Signal
        A line about something that is not in view; may come from a thread.
    hinted : Signal
        A line about what they are doing, and the bridge of the layer, if it is about one.
    helped : Signal
        They ask for the keys.
    """

    told = Signal(str)
    announced = Signal(str)
    hinted = Signal(str, object)
    helped = Signal()

    def tell(self, text: str) -> None:
        """Tell the person something; from any thread."""
        self.told.emit(text)

    def announce(self, text: str) -> None:
        """Tell the person of something that is not in view; from any thread."""
        self.announced.emit(text)

    def hint(self, text: str, bridge: object = None) -> None:
        """Tell the person about what they are doing, on the layer of a bridge if it is given."""
        self.hinted.emit(text, bridge)

    def ask_for_keys(self) -> None:
        """Have the keys shown."""
        self.helped.emit()
