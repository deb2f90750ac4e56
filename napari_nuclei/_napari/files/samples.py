"""Sample data under File ▸ Open Sample. Reading files of users is done elsewhere."""

from __future__ import annotations

from typing import Any

from ...resources import resource_folder

LayerData = tuple[Any, dict[str, Any], str]


def _sample(file_name: str, name: str) -> list[LayerData]:
    from ...images.images import read_image

    pixels = read_image(resource_folder("sample_data") / file_name)
    return [(pixels, {"name": name}, "image")]


def fluorescence() -> list[LayerData]:
    """Open a synthetic fluorescence image."""
    return _sample("fluorescence_1.png", "fluorescence")


def fluorescence_crowded() -> list[LayerData]:
    """Open a synthetic fluorescence image whose nuclei touch and overlap."""
    return _sample("fluorescence_crowded_1.png", "fluorescence, crowded")


def histology() -> list[LayerData]:
    """Open a synthetic H&E image."""
    return _sample("histology_1.png", "histology")


def histology_crowded() -> list[LayerData]:
    """Open a synthetic H&E image whose nuclei touch and overlap."""
    return _sample("histology_crowded_1.png", "histology, crowded")


def immunohistochemistry() -> list[LayerData]:
    """Open the immunohistochemistry image that comes inside scikit-image."""
    from skimage.data import immunohistochemistry as ihc

    return [(ihc(), {"name": "immunohistochemistry"}, "image")]
