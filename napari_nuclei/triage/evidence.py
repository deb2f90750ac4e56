"""Evidence: what the detector itself thinks of nuclei, gathered while nobody waits.

Torch is loaded by the `Prompter`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

from ..nuclei import Nucleus
from ..progress import Progress
from ..prompts.prompter import Prompter
from ..prompts.similar import said
from .doubts import Evidence

AT_ONCE = 256
"""Nuclei of a tile that are asked for at once."""


def evidence_steps(
    prompter: Prompter, nuclei: Iterable[Nucleus]
) -> Generator[Progress, None, None]:
    """Gather evidence on nuclei.

    Yields
    ------
    Progress
        Whose `new` is a dict from id to `Evidence`, of what has been gathered since.
    """
    places: dict[int, list[Nucleus]] = {}
    for nucleus in nuclei:
        places.setdefault(prompter.place_of(said(nucleus).box), []).append(nucleus)
    total = sum(map(len, places.values()))
    done = 0
    yield Progress(done, total, "Asking the model how sure it is")
    for rows in places.values():
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            softs = prompter.soft_masks([said(n).box for n in some])
            new = {n.id: Evidence(soft.entropy) for n, soft in zip(some, softs, strict=True)}
            done += len(some)
            yield Progress(done, total, "Asking the model how sure it is", new)
