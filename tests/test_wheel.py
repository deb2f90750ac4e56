"""The built wheel, installed in a clean environment, passes the tests from an empty folder."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not (ROOT / "hatch_build.py").exists(), reason="needs a checkout"),
]


def run(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Run a command; its output, or a failure that shows all of it."""
    answer = subprocess.run(
        command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert answer.returncode == 0, f"{command}\n{answer.stdout}"
    return answer.stdout


SILENCE = 300
"""Seconds that the tests of the wheel may be silent: each of them has less."""


def tell(*command: str | Path, cwd: Path, env: dict[str, str], say: Callable[[str], None]) -> None:
    """Run a command and pass on what it says as it says it; one that has fallen silent is ended."""
    parts: queue.Queue[bytes] = queue.Queue()
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdout is not None
        out = child.stdout.fileno()

        def listen() -> None:
            while part := os.read(out, 1 << 16):
                parts.put(part)
            parts.put(b"")

        threading.Thread(target=listen, daemon=True).start()
        try:
            while part := parts.get(timeout=SILENCE):
                say(part.decode(errors="replace"))
        except queue.Empty:
            child.kill()
            pytest.fail(f"{command} said nothing for {SILENCE} s")
    assert child.returncode == 0, command


@pytest.fixture(scope="module")
def clean_environment(outer_environment: dict[str, str]) -> dict[str, str]:
    """The outer environment variables, less those that could lead back into the checkout."""
    drop = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_ADDOPTS")
    return {name: value for name, value in outer_environment.items() if name not in drop}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, clean_environment: dict[str, str]) -> Path:
    """Built by way of the source archive, so that both are known to be whole."""
    out = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    run(*command, cwd=out, env=clean_environment)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean_python(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, clean_environment: dict[str, str]
) -> Path:
    """Python of an environment with the wheel, what it declares, and the test tools only.

    uv links the packages from its cache, where `make install` has left them.
    """
    venv = tmp_path_factory.mktemp("clean") / "venv"
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    uv = (sys.executable, "-m", "uv")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["test"]
    install = ("pip", "install", "--python", python, "--constraints", ROOT / "requirements.lock")
    run(*uv, "venv", "--python", sys.executable, venv, cwd=venv.parent, env=clean_environment)
    run(*uv, *install, f"{wheel}[all]", *tools, cwd=venv.parent, env=clean_environment)
    return python


def test_wheel_holds_what_the_plugin_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("sample_data", "training"):
        assert any(name.startswith(f"napari_nuclei/{folder}/") for name in names), folder
    weights = {name for name in names if name.startswith("napari_nuclei/models/weights/")}
    cards = {name.removesuffix(".json") for name in weights if name.endswith(".json")}
    models = {n.removesuffix(".safetensors") for n in weights if n.endswith(".safetensors")}
    assert models
    assert models == cards
    assert "napari_nuclei/napari.yaml" in names
    assert "napari_nuclei/py.typed" in names
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_tests_pass_with_the_wheel_from_an_empty_folder(
    clean_python: Path,
    clean_environment: dict[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    suite = tmp_path / "suite"
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copytree(ROOT / "tests", suite / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", suite)
    where = (clean_python, "-c", "import napari_nuclei; print(napari_nuclei.__file__)")
    location = run(*where, cwd=empty, env=clean_environment).strip()
    assert Path(location).is_relative_to(clean_python.parents[1])
    options = ("-c", suite / "pyproject.toml", "-m", "not slow", "-p", "no:cacheprovider", "-q")
    parallel = ("-n", "auto", "--dist", "worksteal")

    def say(part: str) -> None:
        with capfd.disabled():
            sys.stdout.write(part)
            sys.stdout.flush()

    command = (clean_python, "-m", "pytest", *options, *parallel, suite / "tests")
    tell(*command, cwd=empty, env=clean_environment, say=say)


def test_who_falls_silent_is_ended(
    monkeypatch: pytest.MonkeyPatch, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    said: list[str] = []
    code = "import time; print('begun', flush=True); time.sleep({})"
    where = {"cwd": tmp_path, "env": clean_environment, "say": said.append}
    tell(sys.executable, "-c", code.format(0), **where)
    assert "".join(said) == "begun\n"
    monkeypatch.setitem(globals(), "SILENCE", 1)
    with pytest.raises(pytest.fail.Exception, match="said nothing for 1 s"):
        tell(sys.executable, "-c", code.format(600), **where)
