"""A Dask cluster at work: reaching one or starting one, and giving its workers a model."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from ..errors import UserError
from ..models.card import Card

LOCAL = "local"
"""Instead of an address: start a cluster on this machine."""

WAIT = 10.0
"""Seconds in which a scheduler has to answer."""

NO_ANSWER = (OSError, ValueError, TypeError, ImportError)
"""What is raised where nobody answers, or where that is no address."""

MEMORY = 4 << 30
"""Bytes of this machine's memory for each worker that is started on it, at least."""


class Cluster:
    """A connection to a Dask cluster whose workers have a model; a context manager.

    Parameters
    ----------
    address : str
        Of a scheduler, or `LOCAL`.
    model : str
        A name or the path of a weights file, which no worker needs to see.
    device : str
        As `models.load` takes it, on each worker.

    Attributes
    ----------
    card : Card
        The model's.
    where : str
        The cluster, for a person.

    Raises
    ------
    UserError
        If `distributed` is missing here or this project on a worker, if there is no such model,
        or if nobody answers.
    """

    def __init__(self, address: str, model: str, device: str = "auto") -> None:
        if find_spec("distributed") is None:
            raise UserError(
                "--scheduler needs the package distributed: install it with "
                "pip install distributed, here and on the workers."
            )
        self.card, parcel = _parcel(model, device)
        from distributed import Client

        self._log = logging.getLogger("distributed")
        self._level = self._log.level
        self._log.setLevel(logging.CRITICAL)  # what matters is said in a line of our own
        self._local: Any = None
        self._client: Any = None
        self._asked, self._workers = 0.0, 0
        self.name = f"napari-nuclei-{self.card.name}-{uuid.uuid4().hex[:8]}"
        try:
            if address == LOCAL:
                self._local = _start(device)
            try:
                self._client = Client(self._local or address, timeout=WAIT, set_as_default=False)
            except NO_ANSWER:
                raise UserError(
                    f"no Dask scheduler answers at {address}. Start one with `dask scheduler`, "
                    f"or use --scheduler {LOCAL}."
                ) from None
            self._equip(parcel)
        except BaseException:
            self.close()
            raise
        count = self.workers(now=True)
        place = "this machine" if self._local else address
        self.where = f"{count} worker{'s' * (count != 1)} of {place}"

    def _equip(self, parcel: Any) -> None:
        """Send the model: to each worker once, those that come later too."""
        from .worker import Segmenter, about

        try:
            versions = set(self._client.run(about).values())
        except ImportError as error:
            raise UserError(
                f"napari-nuclei is not, or not fully, installed on a worker ({error}). Workers "
                "need the same environment as this machine."
            ) from None
        if other := versions - {parcel.version}:
            raise UserError(
                f"a worker has napari-nuclei {other.pop()}, this machine {parcel.version}: install "
                "the same version on both."
            )
        self._client.register_plugin(Segmenter(parcel, self._local is not None), self.name)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is on its way, and leave the cluster as it was."""
        if self._client is not None:
            if self._client.status == "running":
                with suppress(ValueError):  # the model has not been sent
                    self._client.unregister_worker_plugin(self.name)
            self._client.close(timeout=WAIT)
        if self._local is not None:
            self._local.close(timeout=WAIT)
        self._log.setLevel(self._level)

    def workers(self, now: bool = False) -> int:
        """Return how many workers there are, or were a moment ago."""
        if now or time.monotonic() > self._asked + 2:
            self._workers = len(self._client.nthreads())
            self._asked = time.monotonic()
        return self._workers

    def submit(self, task: Any, *arguments: Any) -> Any:
        """Send a task; return its future."""
        return self._client.submit(task, self.name, *arguments, pure=False)

    def cancel(self, futures: Sequence[Any]) -> None:
        """Give up tasks."""
        if futures and self._client.status == "running":
            self._client.cancel(list(futures))


def _parcel(model: str, device: str) -> tuple[Card, Any]:
    from ..models.registry import WEIGHTS, find
    from ..models.weights import weights_of
    from .worker import Parcel

    card = find(model)
    path = weights_of(card, Path(model) if Path(model).suffix in WEIGHTS else None)
    name = card.name + path.suffix
    return card, Parcel(name, path.read_bytes(), card.to_json(), device, version("napari-nuclei"))


def _start(device: str) -> Any:
    """Start a cluster here: a worker for each GPU, or for each core that has enough memory."""
    from distributed import LocalCluster

    from ..models.runtime import gpus

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    found = gpus() if device in ("auto", "cuda") else 0
    count = found or max(1, min(cores, psutil.virtual_memory().total // MEMORY))
    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=max(2 if found else 1, cores // count),
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"no cluster could be started on this machine: {reason}") from None
