"""The data folders that come with the plugin are found, wherever it is installed."""

from __future__ import annotations

import pytest

from napari_nuclei.errors import UserError
from napari_nuclei.resources import resource_folder


@pytest.mark.parametrize("name", ["sample_data", "training"])
def test_finds_folder_with_something_in_it(name: str) -> None:
    assert any(resource_folder(name).iterdir())


def test_missing_folder_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="no_such_folder"):
        resource_folder("no_such_folder")
