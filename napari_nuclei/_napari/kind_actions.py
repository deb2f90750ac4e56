"""`Asking`: how prompts reach the detector, and fixing all of a kind (K).

Here: what the prompts on a review layer share, and K with its preview. Not here: the other
prompts (`prompt_actions.py`), threads (`asking.py`), likeness (`prompts/kinds.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from ..edit import Edit
from ..nuclei import Nuclei, Nucleus
from ..progress import Progress
from ..prompts.kinds import Deed, Features, SameKind, examples_of, fix, learn_steps, same_kind
from .asking import Asker
from .keys import filled

if TYPE_CHECKING:
    from ..prompts.prompter import Prompter
    from ..review import Review
    from .actions import Actions

FIRST = "Delete, accept or promote one first: {fix_kind} finds the rest."
NO_WIDGET = "Open the Nuclei widget first (Plugins ▸ Nuclei): it knows the model to ask."


class Asking:
    """Asks the detector about one review layer.

    Attributes
    ----------
    kind : SameKind or None
        What K offers to fix at present.
    kind_changed : Signal
        It is another one, or none.
    """

    kind_changed = Signal(object)

    def __init__(self, actions: Actions, asker: Callable[[], Asker | None]) -> None:
        self._actions, self._asker = actions, asker
        self.kind: SameKind | None = None
        self._features: WeakKeyDictionary[Review, dict[Hashable, Features]] = WeakKeyDictionary()

    # -- asking -----------------------------------------------------------------------

    def _ask(self, question: Callable[[Prompter], Any], then: Callable[[Any], None]) -> None:
        def steps(prompter: Prompter) -> Generator[Progress, None, Any]:
            yield Progress(0, 0)
            return question(prompter)

        self._ask_steps(steps, then)

    def _ask_steps(self, steps: Any, then: Callable[[Any], None]) -> None:
        asker = self._asker()
        if asker is None:
            self._actions.told.emit(NO_WIDGET)
        else:
            asker.ask(self._actions.bridge, steps, then)

    @property
    def _model(self) -> str:
        asker = self._asker()
        card = asker.settings.card if asker else None
        return card.name if card else ""

    def _known(self, model: str) -> bool:
        asker = self._asker()
        return asker is not None and any(c.name == model for c in asker.engine.cards())

    def _do(self, review: Review, make: Callable[[Nuclei], Edit]) -> bool:
        """Do an edit of the review that was asked about, wherever the view is by now."""
        return self._actions.bridge.attempt(lambda: review.do(make(review.nuclei)))

    # -- fix all of this kind ---------------------------------------------------------

    def fix_kind(self) -> None:
        """Offer to do to all of its kind what was done last; again, do it."""
        if self.kind is not None:
            self.apply_kind(len(self._actions.review.selection))
            return
        review = self._actions.review
        examples, deed = examples_of(review.done)
        if deed is None:
            self._actions.told.emit(filled(FIRST))
            return
        nuclei, known = review.nuclei.copy(), self._features.setdefault(review, {})

        def steps(prompter: Prompter) -> Generator[Progress, None, SameKind]:
            features = known.setdefault(prompter.key, Features())
            yield from learn_steps(prompter, _concerned(nuclei, examples, deed), features)
            return same_kind(nuclei, features, examples, deed)

        self._ask_steps(steps, self._offer)

    def _offer(self, kind: SameKind) -> None:
        self.kind = kind
        self.kind_changed.emit(kind)
        self.preview_kind(kind.likely)
        many = f"{kind.likely:,} of {len(kind.ids):,} look like it"
        key = filled("{fix_kind}")
        self._actions.told.emit(f"{kind.deed}: {many}. {key} does it, the slider says how many.")

    def preview_kind(self, count: int) -> None:
        """Select the likest ones, so that they are seen."""
        if self.kind is not None:
            self._actions.review.select(self.kind.ids[:count])

    def apply_kind(self, count: int) -> None:
        """Do it to the `count` likest, as one edit."""
        kind = self.kind
        if kind is not None and self._do(self._actions.review, lambda n: fix(n, kind, count)):
            self._actions.told.emit(self._actions.review.done[-1].words())
            self.drop_kind()

    def drop_kind(self) -> None:
        """Offer nothing any more."""
        if self.kind is not None:
            self.kind = None
            self._actions.review.select(())
            self.kind_changed.emit(None)


def _concerned(nuclei: Nuclei, examples: Sequence[int], deed: Deed) -> list[Nucleus]:
    """Return the nuclei whose features are needed: those shown, or the candidates, and examples."""
    chosen = set(examples)
    hidden = deed == "promote"
    return [n for n in nuclei if n.id in chosen or n.touched or nuclei.is_shown(n) != hidden]
