"""`Prompting`: each review layer of a session has its prompts, beside its actions."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

from ..review.actions import Actions
from ..review.reviewing import Reviewing
from ..session.session import Session
from .prompt_actions import Prompts

ON_KEYS: Mapping[str, Callable[[Prompts], object]] = {
    "box": Prompts.box,
    "click": Prompts.click,
    "ghosts": Prompts.candidates,
    "reading": Prompts.alternative,
    "nudge_in": Prompts.nudge_in,
    "nudge_out": Prompts.nudge_out,
    "fix_kind": lambda prompts: prompts.similar.fix_similar(),
}
"""What keys of a review layer do here, by their names in `keys.KEYS`."""

_prompts: WeakKeyDictionary[Actions, weakref.ref[Prompts]] = WeakKeyDictionary()


def prompts_of(actions: Actions | None) -> Prompts | None:
    """Return the prompts on a review layer, by its actions; None where it has none."""
    found = None if actions is None else _prompts.get(actions)
    return None if found is None else found()


def on_actions(call: Callable[[Prompts], object]) -> Callable[[Actions], None]:
    """Return what does something with the prompts beside the actions that are given to it."""

    def command(actions: Actions) -> None:
        prompts = prompts_of(actions)
        if prompts is not None:
            call(prompts)

    return command


class Prompting:
    """The prompts on the review layers of one session, those that are there already included."""

    def __init__(self, session: Session, reviewing: Reviewing) -> None:
        self._session = session
        self._of: dict[Actions, Prompts] = {}
        reviewing.added.connect(self._on_added)
        reviewing.removing.connect(self._on_removing)
        for actions in reviewing:
            self._on_added(actions)

    def _on_added(self, actions: Actions) -> None:
        session = self._session
        prompts = Prompts(actions, lambda: session.prompt_service, session.viewer)
        self._of[actions] = prompts
        _prompts[actions] = weakref.ref(prompts)

    def _on_removing(self, actions: Actions) -> None:
        prompts = self._of.pop(actions, None)
        if prompts is not None:
            prompts.close()
            del _prompts[actions]
