"""`Curve`: loss and validation of a training while it runs."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..qt_helpers import calm

HEIGHT = 170
DRAW_MS = 300
"""How long a drawing waits for more to draw."""

SHOWN = 300
"""Points that are drawn at most; neighbours are averaged."""


class Curve(QWidget):
    """Draws the loss on the left axis and F1 on the right one, over minutes of training."""

    def __init__(self) -> None:
        super().__init__()
        self._canvas: Any = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(HEIGHT)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.losses: list[tuple[float, float]] = []
        self.checks: list[tuple[float, float]] = []
        self._soon()

    def add_loss(self, seconds: float, loss: float) -> None:
        """Add a step."""
        self.losses.append((seconds / 60, loss))
        self._soon()

    def add_check(self, seconds: float, f1: float) -> None:
        """Add a validation."""
        self.checks.append((seconds / 60, f1))
        self._soon()

    def _soon(self) -> None:
        """Draw a little later, once for all that comes until then."""
        if not self._timer.isActive():
            self._timer.start(DRAW_MS)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a flat rectangle."""
        return QSize(280, HEIGHT)

    def _draw(self) -> None:
        if not self.isVisible() or not (self.losses or self.checks or self._canvas):
            return
        if self._canvas is None:
            self._make()
        figure = self._canvas.figure
        colour = self.palette().windowText().color().name()
        figure.clear()
        left = figure.subplots()
        left.set_facecolor("none")
        right = left.twinx()
        left.plot(*_thinned(self.losses), color="#e8873a", lw=0.8)
        left.set_ylabel("loss", color="#e8873a", fontsize=8)
        left.set_xlabel("minutes", color=colour, fontsize=8)
        right.plot(*_thinned(self.checks), "o-", color="#3aa6e8", ms=4, lw=1.2)
        right.set_ylabel("F1, held out", color="#3aa6e8", fontsize=8)
        for axes in (left, right):
            axes.tick_params(colors=colour, labelsize=7)
            for spine in axes.spines.values():
                spine.set_color(colour)
                spine.set_alpha(0.4)
        self._canvas.draw_idle()

    def _make(self) -> None:
        """Load matplotlib only when there is something to draw."""
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        figure.patch.set_alpha(0)
        self._canvas = FigureCanvasQTAgg(figure)
        self._canvas.setStyleSheet("background: transparent")
        self._column.addWidget(self._canvas)
        calm(self, self._canvas)


def _thinned(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Average neighbours so that at most `SHOWN` points are left."""
    step = max(1, -(-len(points) // SHOWN))
    parts = [points[k : k + step] for k in range(0, len(points), step)]
    means = [(sum(x for x, _ in p) / len(p), sum(y for _, y in p) / len(p)) for p in parts]
    return [x for x, _ in means], [y for _, y in means]
