"""The shape of the house: which way imports run, that docstrings name what exists, and libraries.

Imports count wherever they stand: in functions, and for types alone.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import napari_nuclei

NAME = "napari_nuclei"
PACKAGE = Path(napari_nuclei.__file__).parent
DATA = {"training", "sample_data"}
PROJECT = PACKAGE.parent / "pyproject.toml"

ROOMS = """
errors progress resources streams atomic_files wording checks collector
masks nuclei images formats synthetic
journal review workspace
models scoring prediction prompts triage batch learn
api
_napari _napari.background _napari.layers _napari.session _napari.review _napari.segment
_napari.prompts _napari.files _napari.folder _napari.retrain _napari.top
commands cli __main__
""".split()
"""Rooms from the ground up: what lies in one may know those before it."""

TOP = {
    f"_napari.{name}"
    for name in ("assembly", "chosen_image", "commands", "launch", "panels", "widget")
}
"""Files that put the window together, above its rooms."""

USED_UNSEEN = {"magicgui": "its first forms come with the window's next version"}
"""Libraries that are declared and not imported, and why."""

FOREIGN = {"torchrun", "regionprops", "regionprops_table", "supercategory"}
"""Names of others that docstrings may mention."""


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def files() -> dict[str, Path]:
    """Each file of the package by its dotted name; a wheel carries `training` in it, as data."""
    own = (p for p in sorted(PACKAGE.rglob("*.py")) if not DATA & set(p.relative_to(PACKAGE).parts))
    return {module_of(path): path for path in own}


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of each file, by its dotted name."""
    return {name: ast.parse(path.read_text("utf-8")) for name, path in files().items()}


def packages() -> set[str]:
    return {name for name, path in files().items() if path.name == "__init__.py"}


def imports_of(
    name: str, tree: ast.Module, known: Iterable[str], is_package: bool
) -> dict[str, int]:
    """What a file imports of the package, and in which line."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = name.split(".")
                here = here[: len(here) - node.level + is_package]
                base = ".".join([*here, *filter(None, [node.module])])
            targets = [t if (t := f"{base}.{a.name}") in known else base for a in node.names]
        else:
            continue
        for target in targets:
            if target in known and target != name:
                found.setdefault(target, node.lineno)
    return found


@cache
def graph() -> dict[str, dict[str, int]]:
    files, rooms = trees(), packages()
    return {name: imports_of(name, tree, files, name in rooms) for name, tree in files.items()}


def circles(of: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that lead back to each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in of.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                out.append(sorted(group))

    for node in of:
        if node not in index:
            visit(node)
    return out


def room_of(name: str) -> str:
    """The room that a file lies in; empty for the package itself."""
    rest = name.removeprefix(NAME).removeprefix(".")
    if rest in TOP:
        return "_napari.top"
    parts = rest.split(".")
    within = ".".join(parts[:2])
    return within if within in ROOMS else parts[0]


def between_rooms() -> Iterator[tuple[str, str, str, str, int]]:
    """Each arrow from one room to another: the rooms, the files, and the line."""
    for name, found in graph().items():
        for other, line in found.items():
            a, b = room_of(name), room_of(other)
            if a and b and a != b:
                yield a, b, name, other, line


def test_the_graph_sees_imports_wherever_they_stand() -> None:
    text = (
        "from typing import TYPE_CHECKING\n"
        "from . import b\n"
        "if TYPE_CHECKING:\n    from ..c import D\n"
        "def f():\n    from ..e.g import h\n    import napari_nuclei.i\n"
    )
    known = [f"{NAME}.{x}" for x in ("a.b", "c", "e.g", "i", "z")]
    found = imports_of(f"{NAME}.a.x", ast.parse(text), known, False)
    assert found == {known[0]: 2, known[1]: 4, known[2]: 6, known[3]: 7}
    assert set(imports_of(f"{NAME}.a", ast.parse("from .b import c"), known, True)) == {known[0]}


def test_circles_are_seen() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": []}) == [["b", "c"]]


def test_no_circle_of_files() -> None:
    assert sum(map(len, graph().values())) > 500
    assert not circles(graph())


def test_every_file_is_in_a_room() -> None:
    assert {room_of(name) for name in trees()} - {""} <= set(ROOMS)


def test_no_circle_of_rooms() -> None:
    of: dict[str, set[str]] = {}
    for a, b, *_ in between_rooms():
        of.setdefault(a, set()).add(b)
    assert not circles(of)


def test_no_arrow_runs_up() -> None:
    up = [
        f"{name}:{line} → {other}"
        for a, b, name, other, line in between_rooms()
        if ROOMS.index(a) < ROOMS.index(b)
    ]
    assert not up


def test_files_can_be_read_in_one_go() -> None:
    long = {name: n for name, path in files().items() if (n := lines_of(path)) > 300}
    assert not long


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


# -- what docstrings name ------------------------------------------------------------------

TICKED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each docstring, those of constants too, with the name of what it is of."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for child in body:
            value = getattr(child, "value", None) if isinstance(child, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield getattr(node, "name", ""), value.value


def names_in(tree: ast.AST) -> set[str]:
    """Every name that code uses or strings hold, docstrings left out."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, (ast.arg, ast.keyword)):
            found.add(node.arg or "")
        elif isinstance(node, ast.alias):
            found |= set(node.name.split(".")) | {node.asname or ""}
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        ):
            found |= set(WORD.findall(node.value))
    return found


@cache
def known_names() -> set[str]:
    found = set(dir(builtins)) | set(sys.stdlib_module_names) | {"self", "None", "True", "False"}
    found |= {part for name in trees() for part in name.split(".")}
    found |= {name.lower() for name in packages_distributions()} | FOREIGN
    for tree in trees().values():
        found |= names_in(tree)
    return found


@cache
def members() -> dict[str, set[str]]:
    """What classes of the package have of their own: methods, fields, and what `self` is given."""
    out: dict[str, set[str]] = {}
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                own = names_in(node)
                out.setdefault(node.name, set()).update(own)
                for base in node.bases:
                    if isinstance(base, ast.Name):
                        out[node.name].add(f"<{base.id}")
    return out


def has(cls: str, name: str) -> bool:
    """Whether a class or one of its bases in the package has a member; foreign bases may."""
    own = members().get(cls)
    if own is None:
        return True
    bases = [each[1:] for each in own if each.startswith("<")]
    return name in own or any(has(base, name) for base in bases)


def stale(text: str, folder: Path = PACKAGE) -> list[str]:
    """The names in backticks that nothing in the code has; files without a path lie beside."""
    out = []
    for ticked in TICKED.findall(text):
        if re.fullmatch(r"[\w/]+\.py", ticked):
            inside = (path.as_posix().endswith("/" + ticked) for path in sources())
            beside = (folder / ticked).exists() or (PACKAGE / ticked).exists()
            if not beside and not ("/" in ticked and any(inside)):
                out.append(ticked)
            continue
        if not re.fullmatch(r"[A-Za-z_][\w.]*(\(\))?", ticked):
            continue
        parts = ticked.removesuffix("()").split(".")
        missing = [p for p in parts if p not in known_names()]
        if missing or (len(parts) == 2 and not has(*parts)):
            out.append(ticked)
    return out


@cache
def sources() -> tuple[Path, ...]:
    root = PACKAGE.parent
    folders = [PACKAGE, *(root / name for name in ("training", "sample_data", "tests"))]
    return tuple(p for folder in folders if folder.is_dir() for p in folder.rglob("*.py"))


def test_stale_names_are_seen() -> None:
    assert stale("see `no_such_name`, `Nuclei.no_such`, `no/such.py`") == [
        "no_such_name", "Nuclei.no_such", "no/such.py",
    ]  # fmt: skip
    assert not stale("`Nuclei.replace`, `nuclei`, `masks/mask.py`, ``anything``, `a > b`")


def test_docstrings_name_what_exists() -> None:
    found = [
        f"{module} {owner}: {name}"
        for module, tree in trees().items()
        for owner, text in docstrings(tree)
        for name in stale(text, files()[module].parent)
    ]
    assert not found


def parameters_said(text: str) -> list[str]:
    """The names of a numpydoc docstring's parameters."""
    lines = text.splitlines()
    heads = [k for k, line in enumerate(lines) if line.strip() == "Parameters"]
    if not heads:
        return []
    indent = len(lines[heads[0]]) - len(lines[heads[0]].lstrip())
    out = []
    for line, following in zip(lines[heads[0] + 2 :], [*lines[heads[0] + 3 :], ""], strict=True):
        if set(following.strip()) == {"-"}:
            break
        if line.strip() and len(line) - len(line.lstrip()) == indent:
            out += [name.strip().lstrip("*") for name in line.partition(" : ")[0].split(",")]
    return out


def arguments(node: ast.AST) -> set[str]:
    """The names of what a function, or the making of a class, takes."""
    if isinstance(node, ast.ClassDef):
        inside = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
        fields = {ast.unparse(n.target) for n in node.body if isinstance(n, ast.AnnAssign)}
        return set().union(fields, *(arguments(n) for n in inside))
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    given = node.args
    rest = [each for each in (given.vararg, given.kwarg) if each is not None]
    return {a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs, *rest)}


def test_parameters_are_found() -> None:
    text = """Do.

    Parameters
    ----------
    a, b : int
        Two.
    *c : str

    Returns
    -------
    int
    """
    assert parameters_said(text) == ["a", "b", "c"]


def test_docstrings_describe_the_parameters_that_there_are() -> None:
    wrong = []
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                said = parameters_said(ast.get_docstring(node, clean=False) or "")
                wrong += [f"{module}.{node.name}: {n}" for n in said if n not in arguments(node)]
    assert not wrong


# -- libraries -----------------------------------------------------------------------------


@pytest.mark.skipif(not PROJECT.exists(), reason="needs a checkout")
def test_every_declared_library_is_imported() -> None:
    import tomllib

    lines = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["dependencies"]
    declared = {re.split(r"[^\w-]", line)[0].lower() for line in lines}
    of = {
        library: {name.lower() for name in names}
        for library, names in packages_distributions().items()
    }
    used: set[str] = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                used |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                used.add(node.module.partition(".")[0])
    imported = set().union(*(of.get(library, set()) for library in used))
    assert declared - imported == set(USED_UNSEEN)
