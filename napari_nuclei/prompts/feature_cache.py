"""`FeatureCache`: what a detector has computed of tiles, kept within a bound of memory.

No torch, no Qt; may be used from several threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

BOUND = 512 * 2**20
"""Bytes that are kept by default: about thirty tiles of 640×640 px."""


class Sized(Protocol):
    """Anything that knows its size."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""


Value = TypeVar("Value", bound=Sized)


@dataclass(frozen=True, slots=True)
class Identity:
    """Names the pixels of one image in a cache that many share; whoever owns the image makes it.

    Two that were made apart are never equal. A key holds what it compares by, so that, unlike an
    `id()`, it cannot pass to another image once the first is gone.

    Attributes
    ----------
    part : Hashable
        What tells the planes and channels of the image apart.
    """

    part: Hashable = None
    _image: object = field(default_factory=object, repr=False)

    def of(self, part: Hashable) -> Identity:
        """Return the identity of a part of the same image."""
        return replace(self, part=part)


class FeatureCache:
    """Values by key, of which the least recently used go when memory runs out.

    Parameters
    ----------
    bound : int
        Bytes that are never exceeded. A value larger than that is made, but not kept.
    """

    def __init__(self, bound: int = BOUND) -> None:
        if bound < 0:
            raise ValueError(f"a bound of {bound} bytes makes no sense")
        self.bound = bound
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        return self._nbytes

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, making it if need be.

        Two threads that ask for the same key make it once; other keys do not wait.
        """
        with self._lock:
            busy = self._making.setdefault(key, threading.Lock())
        with busy:
            found = self._look(key)
            if found is None:
                found = make()
                self._keep(key, found)
        with self._lock:
            self._making.pop(key, None)
        return found  # type: ignore[return-value]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._nbytes = 0

    def _look(self, key: Hashable) -> Sized | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: Hashable, value: Sized) -> None:
        with self._lock:
            size = value.nbytes
            if key in self._kept or size > self.bound:
                return
            while self._nbytes + size > self.bound:
                _, old = self._kept.popitem(last=False)
                self._nbytes -= old.nbytes
            self._kept[key] = value
            self._nbytes += size
