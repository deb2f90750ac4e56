"""Build hook: gives the package the files that live beside it. No other build logic lives here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "napari_nuclei"
MANIFEST = "napari.yaml"
RESOURCES = ("training", "sample_data")


class PackageFilesHook(BuildHookInterface):
    """Link the manifest into the package, and put the resource folders under it in a wheel.

    npe2 looks for a manifest only inside an importable package, so an editable install needs it
    there as well. The resource folders are found in the checkout by `resource_folder`; copying
    them for an editable install would leave stale ones behind.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        link_manifest(Path(self.root))
        if version != "editable":
            for path in resources(Path(self.root)):
                place = path.relative_to(self.root).as_posix()
                build_data["force_include"][str(path)] = f"{PACKAGE}/{place}"


def resources(root: Path) -> Iterator[Path]:
    """Yield the files of the resource folders, without weights to train on from."""
    for name in RESOURCES:
        for path in sorted(Path(root, name).rglob("*")):
            if path.is_file() and "checkpoints" not in path.parts and path.suffix != ".pyc":
                yield path


def link_manifest(root: Path) -> None:
    """Make `napari_nuclei/napari.yaml` lead to the manifest at the top level."""
    link = root / PACKAGE / MANIFEST
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(Path("..", MANIFEST))
    except OSError:  # no links on this file system, or no right to make them
        shutil.copyfile(root / MANIFEST, link)
