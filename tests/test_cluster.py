"""A run on a Dask cluster finds what a run without one finds, whatever happens to its workers."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import numpy as np
import pytest
import zarr
from cluster_trouble import Poison, Slow
from distributed import LocalCluster
from PIL import Image
from shell import MODEL, QUICK, Run, refused
from test_tiling import field
from tiny import DiscDetector, disc, picture, write_model

from napari_nuclei import models
from napari_nuclei.batch import cluster as cluster_file
from napari_nuclei.batch import sending, worker
from napari_nuclei.batch.batch import Failed, Segmented, Settings, segment_files
from napari_nuclei.batch.cluster import Cluster
from napari_nuclei.batch.resume import place_beside
from napari_nuclei.batch.sending import Sending
from napari_nuclei.formats import coco
from napari_nuclei.prediction.predict import segment
from napari_nuclei.prediction.suppress import distinct

QUIET: dict[str, Any] = {
    "dashboard_address": "127.0.0.1:0",
    "scheduler_kwargs": {"dashboard": False},
    "silence_logs": logging.CRITICAL,
}
SIDE, WIDE = 384, (300, 800)


@pytest.fixture(scope="module")
def within() -> Iterator[str]:
    """A scheduler and one worker in this process."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **QUIET) as local:
        yield local.scheduler_address


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    for name in "abc":
        pixels = picture((60, 70), [disc(20, 20, 18), disc(30, 30 + ord(name) % 9, 14)])
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return run


def write_large(path: Path, shape: tuple[int, int] = WIDE) -> Path:
    """Write an image of many tiles."""
    zarr.save_array(str(path), field(shape)[0])
    return path


def results(steps: Iterator[Any]) -> dict[str, Segmented | Failed]:
    return {s.new.path.name: s.new for s in steps if s.new is not None}


# -- as without one ---------------------------------------------------------------------


@pytest.mark.parametrize("form", ["coco", "labels"])
def test_the_same_files(run: Run, within: str, form: str) -> None:
    Path("b.png").write_bytes(Path("b.png").read_bytes()[:60])
    command = ("segment", "a.png", "b.png", "c.png", "--format", form, *MODEL, *QUICK)
    alone, out = (Path(n + ".json" if form == "coco" else n) for n in ("alone", "out"))
    code, _, before = run(*command, "--out", alone)
    assert code == 1
    code, _, after = run(*command, "--out", out, "--scheduler", within)
    assert code == 1
    assert "on 1 worker of inproc://" in after
    bad = [line for line in before.splitlines() if "b.png" in line]
    assert len(bad) == 1
    assert bad == [line for line in after.splitlines() if "b.png" in line]
    if form == "coco":
        assert coco.read(out) == coco.read(alone)
        return
    names = sorted(p.name for p in alone.iterdir() if p.suffix == ".tif")
    assert len(names) == 2
    assert all((out / n).read_bytes() == (alone / n).read_bytes() for n in names)


def test_the_tiles_of_a_large_image(run: Run, within: str, tmp_path: Path) -> None:
    path = write_large(tmp_path / "large.zarr")
    settings = Settings(diameter=20.0)
    with Cluster(within, "tiny", "cpu") as cluster:
        steps = list(sending.segment_files(cluster, [path], settings, side=SIDE))
    (done,) = (s.new for s in steps if s.new is not None)
    wanted = segment(zarr.open(path), models.load("tiny", "cpu"), 20.0, side=SIDE).found
    assert [(n.mask, n.score) for n in done.nuclei] == wanted
    assert len(wanted) > 50
    done_so_far = [s.done for s in steps]
    assert done_so_far == sorted(done_so_far)
    assert any(0 < part < 1 for part in done_so_far)  # how many depends on how fast tiles are
    np.testing.assert_array_equal(np.asarray(done.pixels), field(WIDE)[0])


def test_weights_need_not_be_where_workers_are(run: Run, within: str, tmp_path: Path) -> None:
    weights = write_model(tmp_path / "elsewhere", "own", seed=1)
    with Cluster(within, str(weights), "cpu") as cluster:
        weights.unlink()
        (done,) = results(sending.segment_files(cluster, [tmp_path / "a.png"])).values()
    assert isinstance(done, Segmented)
    assert {n.origin.model for n in done.nuclei} == {"own"}


def test_a_stopped_run_goes_on(run: Run, within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Path("b.png").read_bytes()
    Path("b.png").write_bytes(good[:60])
    command = ("segment", "a.png", "b.png", "c.png", *MODEL, *QUICK, "--scheduler", within)
    assert run(*command, "--out", "o.json")[0] == 1
    assert place_beside(Path("o.json")).is_file()
    Path("b.png").write_bytes(good)
    sent: list[str] = []
    submit = Cluster.submit

    def noted(self: Cluster, task: Any, job: Any, *rest: Any) -> Any:
        sent.append(job.path.name)
        return submit(self, task, job, *rest)

    monkeypatch.setattr(Cluster, "submit", noted)
    assert run(*command, "--out", "o.json")[0] == 0
    assert sent == ["b.png"]
    assert [i.file_name for i in coco.read("o.json").images] == ["a.png", "b.png", "c.png"]


class Shuffled:
    """A cluster whose answers come in any order, a few at a time."""

    card = DiscDetector().card

    def __init__(self, seed: int) -> None:
        self.rng, self.open, self.most = np.random.default_rng(seed), [], 0

    def workers(self) -> int:
        return 6

    def submit(self, task: Any, *arguments: Any) -> Any:
        future = Answer(task("plugin", *arguments))
        self.open.append(future)
        self.most = max(self.most, len(self.open))
        if len(self.open) >= 2 * self.workers():
            self.land()
        return future

    def land(self) -> None:
        for k in sorted(self.rng.permutation(len(self.open))[:4].tolist(), reverse=True):
            self.open.pop(k).status = "finished"

    def cancel(self, futures: Any) -> None:
        self.cancelled = list(futures)


class Answer:
    def __init__(self, value: Any) -> None:
        self.value, self.status = value, "pending"

    def result(self) -> Any:
        return self.value


def on_a_worker(monkeypatch: pytest.MonkeyPatch, detector: DiscDetector) -> None:
    """Have tasks run here as on a worker with this model."""
    plugin = worker.Segmenter(None)  # type: ignore[arg-type]
    plugin.setup(SimpleNamespace(name=0))
    plugin.keep(detector)
    monkeypatch.setattr(worker, "_plugin", lambda *_: plugin)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    large = write_large(tmp_path / "large.zarr")
    small = tmp_path / "small.png"
    Image.fromarray(field((200, 300), 1)[0]).save(small)
    on_a_worker(monkeypatch, DiscDetector())
    monkeypatch.setattr(sending.time, "sleep", lambda _: cluster.land())
    cluster: Any = Shuffled(seed)
    settings = Settings(diameter=26.0)
    paths = [large, small]
    found = results(Sending(cluster, paths, settings, None, 192).steps())
    wanted = results(segment_files(paths, DiscDetector(), settings))
    assert found.keys() == wanted.keys() == {"large.zarr", "small.png"}
    for name, one in found.items():
        assert one.nuclei == wanted[name].nuclei
        assert len(one.nuclei) > 20
    assert cluster.most <= sending.PER_WORKER * cluster.workers()


def test_a_run_that_ends_early_takes_back_what_it_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_large(tmp_path / "large.zarr")
    on_a_worker(monkeypatch, DiscDetector())
    times = [1, 2, 3]
    monkeypatch.setattr(sending.time, "sleep", lambda _: times and times.pop() and cluster.land())
    cluster: Any = Shuffled(0)
    steps = Sending(cluster, [path], Settings(diameter=26.0), None, 192).steps()
    while next(steps).done == 0:
        pass
    steps.close()
    assert len(cluster.cancelled) > 4
    assert set(cluster.open) <= set(cluster.cancelled)


class Crowd(DiscDetector):
    """Notes how many look at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    def detect(self, *arguments: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(0.01)  # proves nothing: it gives others the time to come in too, if they may
        found = super().detect(*arguments)
        self.now -= 1
        return found


def test_a_worker_computes_one_tile_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, crowd = write_large(tmp_path / "large.zarr"), Crowd()
    on_a_worker(monkeypatch, crowd)
    job = worker.ImageJob(path, Settings(diameter=26.0), 0.05, 192)
    layout: Any = worker.look_at_image("plugin", job)
    with ThreadPoolExecutor(6) as pool:
        found = [
            pool.submit(worker.look_at_tile, "plugin", job, layout, tile) for tile in layout.tiles
        ]
        joined = distinct(scored for future in found for scored in future.result())
    assert crowd.most == 1
    assert joined == segment(zarr.open(path), DiscDetector(), 26.0).found


# -- what can go wrong ------------------------------------------------------------------


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "127.0.0.1:x"])
def test_nobody_answers(run: Run, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(cluster_file, "WAIT", 1.0)
    answer = run("segment", "a.png", "--out", "o.json", *MODEL, *QUICK, "--scheduler", address)
    refused(answer, f"no Dask scheduler answers at {address}")
    assert not Path("o.json").exists()


def test_without_distributed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_file, "find_spec", lambda _: None)
    answer = run("segment", "a.png", "--out", "o.json", *MODEL, *QUICK, "--scheduler", "local")
    refused(answer, "pip install distributed")


def test_an_image_that_workers_do_not_see(run: Run, within: str, tmp_path: Path) -> None:
    with Cluster(within, "tiny", "cpu") as cluster:
        found = results(sending.segment_files(cluster, [Path("away.png"), Path("a.png")]))
    assert isinstance(found["a.png"], Segmented)
    away = found["away.png"]
    assert isinstance(away, Failed)
    assert away.reason.startswith("away.png: the worker on ")
    assert "a disk that all workers share" in away.reason


def test_workers_of_another_version(run: Run, within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_file, "version", lambda _: "99")
    answer = run("segment", "a.png", "--out", "o.json", *MODEL, *QUICK, "--scheduler", within)
    refused(answer, "this machine 99: install the same version on both")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_worker_has_its_tiles_redone(run: Run, tmp_path: Path) -> None:
    path = write_large(tmp_path / "large.zarr")
    notes = tmp_path / "notes"
    notes.mkdir()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, **QUIET) as local,
        Cluster(local.scheduler_address, "tiny", "cpu") as cluster,
    ):
        cluster._client.register_plugin(Slow(notes), "slow")
        victim, other = cluster._client.run(os.getpid).values()
        steps = sending.segment_files(cluster, [path], Settings(diameter=20.0), side=SIDE)
        killed = False
        done: Any = None
        for step in steps:
            done = step.new or done
            begun = [p.name for p in notes.glob(f"*-{victim}")]
            if begun and step.done > 0.2 and not killed:
                os.kill(victim, signal.SIGKILL)
                killed = True
    assert killed
    alone = segment(zarr.open(path), models.load("tiny", "cpu"), 20.0, side=SIDE).found
    assert [(n.mask, n.score) for n in done.nuclei] == alone
    tiles = [p.name.split("-")[0] for p in notes.iterdir()]
    again = {t for t in tiles if tiles.count(t) > 1}
    assert again, "nothing was under way on the worker when it died"
    assert again <= {name.split("-")[0] for name in (p.name for p in notes.glob(f"*-{victim}"))}
    assert victim != other


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_image_that_kills_workers_is_named(run: Run, tmp_path: Path) -> None:
    write_large(tmp_path / "poison.zarr")
    command = ("segment", "a.png", "poison.zarr", "c.png", "--out", "o.json", *MODEL, *QUICK)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, **QUIET) as local,
        local.get_client() as client,
    ):
        client.register_plugin(Poison("poison.zarr"), "poison")
        code, _, err = run(*command, "--scheduler", local.scheduler_address)
    assert code == 1
    said = [line for line in err.splitlines() if "poison.zarr" in line]
    assert len(said) == 1
    assert "2 workers died" in said[0]
    assert [i.file_name for i in coco.read("o.json").images] == ["a.png", "c.png"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_started_here(run: Run) -> None:
    command = ("segment", "a.png", "b.png", "c.png", *MODEL, *QUICK)
    assert run(*command, "--out", "alone.json")[0] == 0
    code, _, err = run(*command, "--out", "o.json", "--scheduler", "local")
    assert code == 0, err
    assert "of this machine" in err
    assert coco.read("o.json") == coco.read("alone.json")
