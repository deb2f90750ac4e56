"""`Questions`: how prompts reach the detector; `SimilarActions`: fixing similar nuclei (K)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from ...nuclei import Nuclei, Nucleus
from ...nuclei.edit import Edit
from ...progress import Progress
from ...prompts.similar import (
    Features,
    Operation,
    Similar,
    examples_of,
    find_similar,
    fix,
    learn_steps,
)
from ..layers.in_view import needs_view
from ..layers.keys import filled
from ..session.host import PromptService

if TYPE_CHECKING:
    from ...prompts.prompter import Prompter
    from ...review import Review
    from ..review.actions import Actions

FIRST = "Delete, accept or promote one first: {fix_kind} then finds similar ones."
NO_WIDGET = "Open the Nuclei widget first (Plugins ▸ Nuclei ▸ Nuclei (Nuclei)): it holds the model."


class Questions:
    """Questions about one review layer, and what becomes of their answers.

    Parameters
    ----------
    actions : Actions
        Of the review layer.
    service : callable
        Returns who asks the detector; None where no widget is open.
    """

    def __init__(self, actions: Actions, service: Callable[[], PromptService | None]) -> None:
        self._actions, self._service = actions, service
        self._chosen: tuple[int, ...] = ()

    def ask(self, question: Callable[[Prompter], Any], then: Callable[[Any], None]) -> None:
        """Put a question that is answered in one go."""

        def steps(prompter: Prompter) -> Generator[Progress, None, Any]:
            yield Progress(0, 0)
            return question(prompter)

        self.ask_steps(steps, then)

    def ask_steps(self, steps: Any, then: Callable[[Any], None]) -> None:
        """Put a question that is answered step by step."""
        service = self._service()
        if service is None:
            self._actions.told.emit(NO_WIDGET)
        else:
            service.ask(self._actions.bridge, steps, then)

    @property
    def model(self) -> str:
        """The name of the model that is asked; empty where there is none."""
        service = self._service()
        return service.model if service else ""

    def knows(self, model: str) -> bool:
        """Whether there is a model of this name."""
        service = self._service()
        return service is not None and service.knows(model)

    def chooser(self) -> Callable[[int], None]:
        """Return what selects a nucleus of an answer, unless the person has gone on meanwhile.

        That is, to another plane, or to other nuclei than those that answers have selected.
        """
        review, before = self._actions.review, self._actions.review.selection

        def choose(id: int) -> None:
            here = review is self._actions.review
            if here and review.selection in (before, self._chosen):
                self._chosen = (id,)
                self._actions.choose(id)

        return choose

    def do(self, review: Review, make: Callable[[Nuclei], Edit]) -> bool:
        """Do an edit of the review that was asked about, wherever the view is by now."""
        return self._actions.bridge.attempt(lambda: review.do(make(review.nuclei)))


class SimilarActions:
    """What K does on one review layer.

    Attributes
    ----------
    offer : Similar or None
        What K offers to fix at present.
    offer_changed : Signal
        It is another one, or none.
    """

    offer_changed = Signal(object)

    def __init__(self, actions: Actions, questions: Questions) -> None:
        self._actions, self._questions = actions, questions
        self.offer: Similar | None = None
        self._offer_of: Review | None = None
        self._features: WeakKeyDictionary[Review, dict[Hashable, Features]] = WeakKeyDictionary()

    def in_view(self) -> bool:
        """Whether the plane is in view; says why nothing can be done where it is not."""
        return self._actions.in_view()

    def cancel(self) -> bool:
        """Offer nothing any more; returns whether anything was offered."""
        offered = self.offer is not None
        if offered:
            self.drop_similar()
        return offered

    @needs_view
    def fix_similar(self) -> None:
        """Offer to do to similar nuclei what was done last; again, do it."""
        review = self._actions.review
        if self.offer is not None and self._offer_of is review:
            self.apply(len(review.selection))
            return
        self.drop_similar()
        examples, operation = examples_of(review.done)
        if operation is None:
            self._actions.told.emit(filled(FIRST))
            return
        nuclei, known = review.nuclei.copy(), self._features.setdefault(review, {})

        def steps(prompter: Prompter) -> Generator[Progress, None, Similar]:
            features = known.setdefault(prompter.key, Features())
            yield from learn_steps(prompter, _concerned(nuclei, examples, operation), features)
            return find_similar(nuclei, features, examples, operation)

        self._questions.ask_steps(steps, partial(self._offer, review))

    def _offer(self, review: Review, offer: Similar) -> None:
        if review is not self._actions.review:
            self._actions.told.emit("Another plane is in view now: press K again for it.")
            return
        self.offer, self._offer_of = offer, review
        self.offer_changed.emit(offer)
        self.preview(offer.likely)
        many = f"{offer.likely:,} of {len(offer.ids):,} look similar"
        key = filled("{fix_kind}")
        self._actions.told.emit(
            f"{offer.operation}: {many}. {key} applies it, the slider sets how many."
        )

    def preview(self, count: int) -> None:
        """Select the most similar ones, so that they are seen."""
        if self.offer is not None and self._offer_of is not None:
            self._offer_of.select(self.offer.ids[:count])

    def apply(self, count: int) -> None:
        """Do it to the `count` most similar, as one edit."""
        offer, review = self.offer, self._offer_of
        if offer is None or review is None:
            return
        if review is not self._actions.review:
            self._actions.told.emit(
                "What K found is in another plane: go back there, or press “Not now”."
            )
        elif self._questions.do(review, lambda n: fix(n, offer, count)):
            self._actions.told.emit(review.done[-1].summary())
            self.drop_similar()

    def drop_similar(self) -> None:
        """Offer nothing any more."""
        review, self._offer_of = self._offer_of, None
        if self.offer is not None:
            self.offer = None
            if review is not None:
                review.select(())
            self.offer_changed.emit(None)


def _concerned(nuclei: Nuclei, examples: Sequence[int], operation: Operation) -> list[Nucleus]:
    """Return the nuclei whose features are needed: those shown, or the candidates, and examples."""
    chosen = set(examples)
    hidden = operation == "promote"
    return [n for n in nuclei if n.id in chosen or n.touched or nuclei.is_shown(n) != hidden]
