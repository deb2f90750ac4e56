"""A process of its own: the gradients of one batch, alone or under torchrun. No tests.

`python gradient_worker.py FOLDER OUT`: the folder has truth.json and its images; the first
process writes its gradients. In float32 on any processor: bfloat16 rounds by more than the
processes may differ.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from tiny import network

from napari_nuclei.formats import coco
from napari_nuclei.learn import loop
from napari_nuclei.learn.examples import load_examples
from napari_nuclei.learn.loop import backward, drawn, freeze_norm, new_state
from napari_nuclei.learn.parallel import world
from napari_nuclei.learn.recipe import Data, Recipe, Schedule


def main(folder: Path, out: Path) -> None:
    loop.autocast = lambda _device: nullcontext()  # type: ignore[assignment]
    examples = load_examples(coco.read(folder / "truth.json"), folder, 16)
    schedule = Schedule(batch=4, crop=64, workers=0)
    recipe = Recipe(name="tiny", out=out.parent, data=Data(balance=0.4), schedule=schedule)
    start = network()
    with world(torch.device("cpu")) as processes:
        state = new_state(start.arch, schedule, start.state_dict(), processes.device)
        state.model.train()
        freeze_norm(state.model)
        batch = next(drawn(state, examples, schedule, recipe, processes))
        assert len(batch[1]) == 4 // processes.size
        backward(state.model, batch, processes.device, processes)
        processes.average(state.model, buffers=False)
        if processes.first:
            found = {n: p.grad for n, p in state.model.named_parameters() if p.requires_grad}
            torch.save(found, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
