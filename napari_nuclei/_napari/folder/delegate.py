"""`FolderDelegate`: a row of the list of images: thumbnail, name, how far it is.

A stage has a shape and standing_text besides its colour.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QPointF, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ...nuclei.counts import Stage, Standing
from ..layers.state_outlines import COLORS, Look
from .list_model import CURRENT, PROBLEM, STANDING, standing_text

PICTURE = 44
"""Side of a thumbnail in px."""

EDGE = 4
BADGE = 12
BAR = 3
"""Width of the stripe that marks the image in view, in px."""


class FolderDelegate(QStyledItemDelegate):
    """Draws a row."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Return the size of a row; all have the same."""
        return QSize(120, PICTURE + 2 * EDGE)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw a row."""
        if painter is None:
            return
        painter.save()
        style = option.widget.style()
        if style is not None:
            style.drawPrimitive(
                QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget
            )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = option.rect
        ink = option.palette.color(option.palette.ColorRole.Text)
        if index.data(CURRENT):
            bar = QRect(rect.left(), rect.top() + 1, BAR, rect.height() - 2)
            painter.fillRect(bar, QColor(COLORS[Look.PROPOSED]))
        place = QRect(rect.left() + BAR + EDGE, rect.top() + EDGE, PICTURE, PICTURE)
        _picture(painter, place, index.data(Qt.ItemDataRole.DecorationRole), ink)
        left = place.right() + 2 * EDGE
        width = rect.right() - EDGE - left
        half = rect.height() // 2
        _name(painter, QRect(left, rect.top() + EDGE, width, half - EDGE), option, index, ink)
        below = QRect(left, rect.top() + half, width, half - EDGE)
        _stage(painter, below, index.data(STANDING), index.data(PROBLEM), ink)
        painter.restore()


def _picture(painter: QPainter, place: QRect, pixmap: QPixmap | None, ink: QColor) -> None:
    if pixmap is None or pixmap.isNull():
        faint = QColor(ink)
        faint.setAlpha(60)
        painter.setPen(QPen(faint, 1))
        painter.drawRoundedRect(QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        return
    size = pixmap.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
    box = QRect(0, 0, size.width(), size.height())
    box.moveCenter(place.center())
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(box, pixmap)


def _name(
    painter: QPainter, rect: QRect, option: QStyleOptionViewItem, index: QModelIndex, ink: QColor
) -> None:
    font = option.font
    font.setBold(bool(index.data(CURRENT)))
    painter.setFont(font)
    painter.setPen(ink)
    name = painter.fontMetrics().elidedText(
        str(index.data()), Qt.TextElideMode.ElideMiddle, rect.width()
    )
    painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter, name)
    font.setBold(False)
    painter.setFont(font)


def _stage(
    painter: QPainter, rect: QRect, standing: Standing | None, problem: str, ink: QColor
) -> None:
    badge = QRectF(rect.left() + 1, rect.center().y() - BADGE / 2 + 0.5, BADGE - 1, BADGE - 1)
    draw_badge(painter, badge, None if standing is None else standing.stage, bool(problem), ink)
    faint = QColor(ink)
    faint.setAlpha(170)
    painter.setPen(faint)
    rest = rect.adjusted(BADGE + EDGE, 0, 0, 0)
    text = painter.fontMetrics().elidedText(
        standing_text(standing, problem), Qt.TextElideMode.ElideRight, rest.width()
    )
    painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, text)


def draw_badge(
    painter: QPainter, box: QRectF, stage: Stage | None, problem: bool, ink: Any
) -> None:
    """Draw a stage: an empty ring, one that is half full, a full one with a tick; a triangle."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if problem:
        painter.setPen(QPen(QColor(COLORS[Look.DOUBTFUL]), 1.6))
        top = QPointF(box.center().x(), box.top())
        painter.drawPolygon(QPolygonF([top, box.bottomRight(), box.bottomLeft()]))
        x = box.center().x()
        painter.drawLine(QPointF(x, box.top() + 4), QPointF(x, box.bottom() - 3.5))
        return
    if stage is Stage.COMPLETE:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(COLORS[Look.ACCEPTED]))
        painter.drawEllipse(box)
        painter.setPen(QPen(QColor("black"), 1.6))
        at = [(0.26, 0.52), (0.44, 0.70), (0.75, 0.34)]
        tick = [QPointF(box.left() + x * box.width(), box.top() + y * box.height()) for x, y in at]
        painter.drawPolyline(QPolygonF(tick))
        return
    faint = QColor(ink)
    faint.setAlpha(150)
    color = QColor(COLORS[Look.PROPOSED]) if stage is Stage.BEGUN else faint
    painter.setPen(QPen(color, 1.6))
    painter.drawEllipse(box)
    if stage is Stage.BEGUN:
        painter.setBrush(color)
        painter.drawPie(box, 90 * 16, -180 * 16)
