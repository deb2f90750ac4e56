"""`SettingsPanel`: what is segmented, and how."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QWidget

from ...models import registry
from ...models.card import Card
from ..layers.source import Channels, channel_choices, micrometres_per_pixel
from ..qt_helpers import combo, line, quiet, refill
from ..session.preferences import preference
from .engine import Engine

LARGEST = 2000.0
"""Largest diameter that can be set, in px."""


class SettingsPanel(QWidget):
    """The settings of a run.

    Signals: `image_changed` when another image is chosen, `model_changed` when another model
    is.
    """

    image_changed = Signal()
    model_changed = Signal()

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._unit = 1.0  # px of the image for one unit of the diameter box
        self.image_box = combo("The image layer to segment")
        self.channels_box = combo("Which channels the model sees")
        self.model_box = combo("")
        self.about_model = line()
        self.device_box = combo(
            "Where the model runs; auto uses a GPU if there is one.\nGPUs are listed once a "
            "model has been loaded."
        )
        self.diameter_box = _diameter_box()
        self.about_diameter = line()
        self._form = self._lay_out()
        self.image_box.currentIndexChanged.connect(self._on_image)
        self.model_box.currentIndexChanged.connect(self._on_model)
        self.load_models()
        self.load_devices()
        for box, name in ((self.model_box, "model"), (self.device_box, "device")):
            if (place := box.findText(preference("segmenting", name))) >= 0:
                box.setCurrentIndex(place)
        self._on_image()

    def _lay_out(self) -> QFormLayout:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Image", self.image_box)
        form.addRow("Channels", self.channels_box)
        form.addRow("Model", self.model_box)
        form.addRow("", self.about_model)
        form.addRow("Device", self.device_box)
        form.addRow("Diameter", self.diameter_box)
        form.addRow("", self.about_diameter)
        return form

    # -- what is chosen ---------------------------------------------------------------

    @property
    def image(self) -> Image | None:
        """The image layer."""
        return self.image_box.currentData()

    @property
    def channels(self) -> Channels:
        """The channels."""
        return self.channels_box.currentData() or Channels("gray")

    @property
    def card(self) -> Card | None:
        """The card of the model."""
        return self.model_box.currentData()

    @property
    def device(self) -> str:
        """The name of the device."""
        return str(self.device_box.currentText())

    @property
    def diameter(self) -> float | None:
        """The diameter of a nucleus in px of the image; None for auto."""
        value = self.diameter_box.value()
        return value * self._unit if value > 0 else None

    # -- what there is to choose ------------------------------------------------------

    def load_images(self, images: list[Image]) -> None:
        """Offer these layers."""
        if refill(self.image_box, [(image.name, image) for image in images]):
            self._on_image()

    def choose_image(self, image: Image) -> None:
        """Choose a layer, if it is offered."""
        for index in range(self.image_box.count()):
            if self.image_box.itemData(index) is image:
                self.image_box.setCurrentIndex(index)

    def load_models(self) -> None:
        """Offer the models that the engine has."""
        refill(self.model_box, [(card.name, card) for card in self._engine.cards()])
        self._on_model()

    def load_devices(self) -> None:
        """Offer the devices that the engine knows by now."""
        refill(self.device_box, [(name, name) for name in self._engine.devices()])

    def _on_image(self) -> None:
        image = self.image
        choices = channel_choices(image) if image is not None else []
        refill(self.channels_box, [(choice.label, choice) for choice in choices])
        self._form.setRowVisible(self.channels_box, len(choices) > 1)
        self._set_unit(micrometres_per_pixel(image) if image is not None else None)
        self.about_diameter.clear()
        self._form.setRowVisible(self.about_diameter, False)
        self.image_changed.emit()

    def _set_unit(self, micrometres: float | None) -> None:
        """Show the diameter in µm, or in px where the size of a pixel is not known."""
        pixels = self.diameter
        box, self._unit = self.diameter_box, 1.0 / micrometres if micrometres else 1.0
        with quiet(box):
            box.setSuffix(" µm" if micrometres else " px")
            box.setMaximum(LARGEST / self._unit)
            box.setValue(pixels / self._unit if pixels else 0.0)

    def _on_model(self) -> None:
        card = self.card
        self.model_box.setToolTip(describe(card) if card else "")
        self.about_model.setText(
            f"Licence: {card.licence}"
            if card
            else "No model is installed, so nothing can be segmented. Reinstall "
            f"napari-nuclei, or put a model into {registry.user_folder()}."
        )
        self.about_model.setToolTip(self.model_box.toolTip())
        self.model_changed.emit()

    def show_found_diameter(self, pixels: float) -> None:
        """Say what diameter a run with auto has found."""
        found = f"Estimated: {pixels:.0f} px"
        if self._unit != 1.0:
            found = f"Estimated: {pixels / self._unit:.1f} µm ({pixels:.0f} px)"
        self.about_diameter.setText(found)
        self._form.setRowVisible(self.about_diameter, True)


def _diameter_box() -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setToolTip(
        "Diameter of a typical nucleus: the image is scaled by it to the size that the model "
        "expects.\n0 is auto: the diameter is estimated from the image."
    )
    box.setRange(0, LARGEST)
    box.setDecimals(1)
    box.setSpecialValueText("auto")
    return box


def describe(card: Card) -> str:
    """Return what a person wants to know of a model, for a tooltip."""
    lines = [card.description or card.name, f"Licence: {card.licence}"]
    if card.data:
        lines.append(f"Trained on: {card.data}")
    for name, scores in card.scores.items():
        lines.append(f"{name}: {_figures(scores)}")
    return "\n".join(lines)


def _figures(scores: Any) -> str:
    if not isinstance(scores, dict):
        return _figure(scores)
    wanted = [k for k in ("ap50", "f1_50", "pq") if k in scores] or list(scores)[:4]
    names = {"ap50": "AP50", "f1_50": "F1 at IoU 0.5", "pq": "PQ"}
    return ", ".join(f"{names.get(k, k)} {_figure(scores[k])}" for k in wanted)


def _figure(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
