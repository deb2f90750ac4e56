"""The napari manifest: found by npe2 in the installed package, and true to the code."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest
from npe2.manifest.utils import import_python_name

from napari_nuclei.formats.registry import FORMATS

NAME = "napari-nuclei"
ROOT = Path(__file__).parents[1]

in_checkout = pytest.mark.skipif(
    not (ROOT / "hatch_build.py").exists(), reason="these tests lie beside a wheel"
)


@pytest.fixture
def manifest() -> PluginManifest:
    """As npe2 discovers it, in a plugin manager of its own."""
    manager = PluginManager()
    manager.discover()
    return manager.get_manifest(NAME)


def test_every_command_leads_to_a_callable(manifest: PluginManifest) -> None:
    commands = manifest.contributions.commands or []
    assert commands
    for command in commands:
        assert command.python_name is not None
        assert callable(import_python_name(command.python_name)), command.id


def test_nuclei_can_be_opened_saved_and_tried(manifest: PluginManifest) -> None:
    contributions = manifest.contributions
    endings = [ending for w in contributions.writers or [] for ending in w.filename_extensions]
    widgets = [widget.display_name for widget in contributions.widgets or []]
    assert widgets == ["Nuclei", "Retrain nuclei"]
    written = {e for f in FORMATS.values() if f.writer for e in f.endings}
    assert set(endings) == written - {".roi"}  # a single ROI is read only
    assert len(endings) == len(set(endings))
    assert {"model", "device"} == set((contributions.configurations or {})["segmenting"].properties)
    assert len(contributions.sample_data or []) == 5
    assert "napari/layers/segment" in (contributions.menus or {})


@in_checkout
def test_checkout_and_package_have_one_manifest() -> None:
    package = ROOT / "napari_nuclei" / "napari.yaml"
    assert package.read_bytes() == (ROOT / "napari.yaml").read_bytes()


@in_checkout
@pytest.mark.parametrize("links_work", [True, False])
def test_build_hook_replaces_what_an_earlier_build_left(
    links_work: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hatchling")
    (tmp_path / "napari.yaml").write_text("new")
    (tmp_path / "napari_nuclei").mkdir()
    link = tmp_path / "napari_nuclei" / "napari.yaml"
    link.write_text("old")
    if not links_work:
        monkeypatch.setattr(Path, "symlink_to", _refuse)
    runpy.run_path(str(ROOT / "hatch_build.py"))["link_manifest"](tmp_path)
    assert link.read_text() == "new"
    assert link.is_symlink() == links_work


def _refuse(*_: object) -> None:
    raise OSError("no links here")
