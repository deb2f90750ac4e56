"""Which way the imports go: the core without torch and Qt; and what nobody calls."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

import napari_nuclei

PACKAGE = Path(napari_nuclei.__file__).parent
TORCH_ROOMS = {"models", "learn", "prediction", "prompts"}
PREDICTION = ("detecting", "diameter", "frame", "predict", "resampling", "tiling")
LOAD_TORCH = {f"napari_nuclei.prediction.{name}" for name in PREDICTION}
OPTIONAL = {"distributed"}
"""Asked for, in a line for the user, where it is used."""
GUI_ROOM = "_napari"
HEAVY = {"torch", "torchvision", "napari", "qtpy", "PyQt6", "PySide6", "magicgui", "pandas"}
GUI_LIBRARIES = {"qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "superqt", "magicgui", "vispy"}

PROBE = """
import importlib, json, sys
heavy, names = set(json.loads(sys.argv[1])), json.loads(sys.argv[2])
guilty = {}
for name in names:
    before = heavy & set(sys.modules)
    importlib.import_module(name)
    if new := (heavy & set(sys.modules)) - before:
        guilty[name] = sorted(new)
print(json.dumps(guilty))
"""


def core_modules() -> list[str]:
    """Every module but those that may load torch or Qt."""
    found = ["napari_nuclei"]
    for module in pkgutil.walk_packages([str(PACKAGE)], "napari_nuclei."):
        room = module.name.split(".")[1]
        if room not in {"models", "learn", GUI_ROOM, "__main__"} and module.name not in LOAD_TORCH:
            found.append(module.name)
    return found


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Each source file of the package: its room and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        yield room, ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of all packages imported anywhere in a file, inside functions too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def probe(names: list[str]) -> dict[str, list[str]]:
    """Import modules in a fresh process: what each of them brought along of the heavy ones."""
    command = [sys.executable, "-c", PROBE, json.dumps(sorted(HEAVY)), json.dumps(names)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def test_core_and_cli_import_without_heavy_libraries() -> None:
    names = core_modules()
    assert {"napari_nuclei.cli", "napari_nuclei.masks.mask", "napari_nuclei.images.images"} <= set(
        names
    )
    assert probe(names) == {}


def test_probe_sees_a_heavy_import() -> None:
    assert probe(["json", "pandas"]) == {"pandas": ["pandas"]}


@pytest.mark.parametrize(
    ("libraries", "rooms"),
    [
        (GUI_LIBRARIES, {GUI_ROOM}),
        ({"torch", "torchvision"}, TORCH_ROOMS),
        ({"distributed"}, {"batch"}),
    ],
    ids=["gui", "torch", "cluster"],
)
def test_libraries_stay_in_their_rooms(libraries: set[str], rooms: set[str]) -> None:
    strays = {
        room: used for room, tree in sources() if (used := imported(tree) & libraries)
    }.keys() - rooms
    assert not strays


def test_every_library_is_declared() -> None:
    declared = {
        re.split(r"[^\w-]", line)[0].lower()
        for line in requires("napari-nuclei") or []
        if "extra ==" not in line
    }
    providers = packages_distributions()
    used = set().union(*(imported(tree) for _, tree in sources()))
    libraries = used - sys.stdlib_module_names - {"napari_nuclei"} - OPTIONAL
    undeclared = {
        library
        for library in libraries
        if not declared & {name.lower() for name in providers.get(library, [library])}
    }
    assert not undeclared


# -- what nobody calls ------------------------------------------------------------------


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    """Each call of a function by its full name, as `torch.load`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
            yield node


def test_nothing_is_known_by_its_address() -> None:
    """An `id()` passes to another object once the first is gone, and with it what it stood for."""
    assert list(calls(ast.parse("seen.add(id(x)); self.id(x)"), "id"))
    assert not [room for room, tree in sources() if list(calls(tree, "id"))]


def test_no_weights_bring_code_along() -> None:
    loads = [call for _, tree in sources() for call in calls(tree, "torch.load")]
    assert loads
    for call in loads:
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert said["weights_only"] == "True"
