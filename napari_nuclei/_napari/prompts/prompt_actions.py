"""`Prompts`: what the prompts' keys and tools do on a review layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EditError
from ...masks.box import Box
from ...nuclei import Kind, Nuclei, Nucleus
from ...nuclei.edit import Edit
from ...prompts.edits import Answer, apply_alternative, nudge, promote, put
from ..layers.candidates import Candidates
from ..layers.gestures import Point, Tool
from ..layers.in_view import needs_view
from ..layers.keys import filled
from ..session.host import PromptService
from .similar_actions import Questions, SimilarActions

if TYPE_CHECKING:
    from ...prompts.alternatives import Alternative
    from ...prompts.window import SeenNucleus
    from ...review import Review
    from ..review.actions import Actions

REACH = 1000
"""Px around a click in which nuclei are looked at: copying all of a slide would take long."""

LOST = "The model {name!r}, which drew this nucleus, is no longer installed: {now!r} was asked."


@dataclass(slots=True)
class _Cycle:
    """Alternatives under way: which there are, and which one is shown."""

    review: Review
    alternatives: Sequence[tuple[str, Callable[[Nuclei], Edit]]]
    edit: Edit | None = None
    at: int = -1


class Prompts:
    """The prompts on one review layer.

    Attributes
    ----------
    similar : SimilarActions
        Those about similar nuclei.
    """

    def __init__(
        self, actions: Actions, service: Callable[[], PromptService | None], viewer: Any
    ) -> None:
        self._actions, self._questions = actions, Questions(actions, service)
        self.similar = SimilarActions(actions, self._questions)
        actions.cancels.append(self.similar.cancel)
        self.candidates_shown = Candidates(actions.bridge, viewer)
        self._cycle: _Cycle | None = None
        actions.gestures.tool_changed.connect(self._on_tool)

    def close(self) -> None:
        """Let the layer go."""
        self._actions.gestures.tool_changed.disconnect(self._on_tool)
        self.candidates_shown.hide()

    def in_view(self) -> bool:
        """Whether the plane is in view; says why nothing can be done where it is not."""
        return self._actions.in_view()

    # -- box and click ----------------------------------------------------------------

    @needs_view
    def box(self) -> None:
        """Take the tool that turns a drawn box into its nucleus in hand."""
        hint = "Draw a box around a nucleus."
        self._actions.gestures.activate(Tool("box", "box", self._on_box, hint))

    def _on_box(self, corners: list[Point]) -> None:
        from ...prompts.prompts import in_box, others_in_box

        # The middles of pixels are whole numbers for the mouse, halves for the detector.
        points = np.array(corners) + 0.5
        box = (*points.min(0), *points.max(0))
        review, model, then = self._actions.review, self._questions.model, self._put("box")
        choose = self._questions.chooser()

        def use(found: tuple[SeenNucleus, dict[str, SeenNucleus]]) -> None:
            seen, others = found
            before = len(review.done)
            then(seen)
            if len(review.done) > before:
                all_ = {**others, "the first one": seen}
                pairs = [
                    (words, partial(_put_edit, Answer(o.mask, o.score, model)))
                    for words, o in all_.items()
                ]
                self._cycle = _Cycle(review, pairs, review.done[-1])
                choose(review.done[-1].after[0].id)

        self._questions.ask(lambda p: (in_box(p, box), others_in_box(p, box)), use)

    @needs_view
    def click(self) -> None:
        """Take the tool that turns a click into the nucleus there in hand."""
        hint = "Click in the middle of a nucleus."
        self._actions.gestures.activate(Tool("click", "click", self._on_point, hint))

    def _on_point(self, points: list[Point]) -> None:
        from ...prompts.pointing import at_point, usual_diameter

        (y, x), nuclei = points[0], self._actions.review.nuclei
        usual, near = usual_diameter(nuclei), nuclei.copy(_round(y, x))
        self._questions.ask(
            lambda p: at_point(p, y + 0.5, x + 0.5, near, usual), self._put("click")
        )

    def _put(self, name: str) -> Callable[[SeenNucleus], None]:
        review, model = self._actions.review, self._questions.model

        def then(seen: SeenNucleus) -> None:
            answer = Answer(seen.mask, seen.score, model)
            if self._questions.do(review, lambda nuclei: put(nuclei, answer, name)):
                self._actions.told.emit(f"{review.done[-1].summary()} · score {seen.score:.2f}")

        return then

    # -- candidates -------------------------------------------------------------------

    @needs_view
    def candidates(self) -> None:
        """Show or hide candidates below the threshold; a click promotes one."""
        hint = "Click a candidate to promote it."
        self._actions.gestures.activate(Tool("ghosts", "click", self._on_candidate, hint))
        tool = self._actions.gestures.tool
        if tool is not None and tool.name == "ghosts" and not self.candidates_shown.show():
            self._actions.told.emit("There is no candidate below the threshold here.")

    def _on_candidate(self, points: list[Point]) -> None:
        y, x = (round(v) for v in points[0])
        ids = self.candidates_shown.at(y, x)
        if self._questions.do(self._actions.review, lambda nuclei: promote(nuclei, ids)):
            self._actions.told.emit(self._actions.review.done[-1].summary())

    def _on_tool(self, tool: Tool | None) -> None:
        if tool is None or tool.name != "ghosts":
            self.candidates_shown.hide()

    # -- alternatives -----------------------------------------------------------------

    @needs_view
    def alternative(self) -> None:
        """Put an alternative in the place of a nucleus; again, the next one."""
        cycle, review = self._cycle, self._actions.review
        if cycle and cycle.review is review and self._goes_on(cycle):
            self._turn(cycle, self._actions.choose)
            return
        targets = self._actions.targets
        if len(targets) != 1:
            self._actions.told.emit("Point at one nucleus, or select one, to see alternatives.")
            return
        from ...prompts.alternatives import alternatives_of

        nuclei, id = review.nuclei.copy(), targets[0]
        model, made_by = self._questions.model, review.nuclei[id].origin.model
        choose = self._questions.chooser()

        def then(alternatives: list[Alternative]) -> None:
            if not alternatives:
                self._actions.told.emit("The model has no alternative for this nucleus.")
                return
            self._cycle = _Cycle(
                review, [(r.summary, partial(_read, r, model)) for r in alternatives]
            )
            self._turn(self._cycle, choose)
            if made_by and not self._questions.knows(made_by):
                self._actions.told.emit(LOST.format(name=made_by, now=model))

        self._questions.ask(lambda p: alternatives_of(p, nuclei, id), then)

    def _goes_on(self, cycle: _Cycle) -> bool:
        """Whether T was pressed again on what it has put there, with nothing done in between."""
        if cycle.edit is None or not cycle.review.done or cycle.review.done[-1] is not cycle.edit:
            return False
        made = {n.id for n in cycle.edit.after}
        targets = set(self._actions.targets)
        return bool(targets) and targets <= made

    def _turn(self, cycle: _Cycle, choose: Callable[[int], None]) -> None:
        """Show the next alternative, in the place of the one before; after the last, what was."""
        if cycle.edit is not None:
            self._actions.bridge.attempt(cycle.review.undo)
            cycle.edit = None
        cycle.at += 1
        if cycle.at >= len(cycle.alternatives):
            self._cycle = None
            self._actions.told.emit(filled("As it was. {reading} starts over."))
            return
        words, make = cycle.alternatives[cycle.at]
        if self._questions.do(cycle.review, make):
            cycle.edit = cycle.review.done[-1]
            choose(cycle.edit.after[0].id)
            place = f"{cycle.at + 1} of {len(cycle.alternatives)}"
            key = filled("{reading}")
            self._actions.told.emit(f"Alternative {place}: {words}. {key} shows the next.")

    # -- nudging ----------------------------------------------------------------------

    @needs_view
    def nudge_in(self) -> None:
        """Move outlines in by a step."""
        self._nudge(False)

    @needs_view
    def nudge_out(self) -> None:
        """Move outlines out by a step."""
        self._nudge(True)

    def _nudge(self, outwards: bool) -> None:
        review = self._actions.review
        rows = [review.nuclei[i] for i in self._actions.targets if i in review.nuclei]
        asked = [n for n in rows if self._questions.knows(n.origin.model)]
        then = partial(self._move, review, rows, outwards)
        if not asked:
            then({})
            return
        boxes = [_roomy(n) for n in asked]
        ids = [n.id for n in asked]
        self._questions.ask(lambda p: dict(zip(ids, p.soft_masks(boxes), strict=True)), then)

    def _move(
        self, review: Review, rows: Sequence[Nucleus], outwards: bool, softs: dict[int, Any]
    ) -> None:
        said: list[str] = []

        def make(nuclei: Nuclei) -> Edit:
            if not rows:
                raise EditError("No nucleus to nudge here. Point at one or select one.")
            moved = [nudge(nuclei, n.id, outwards, softs.get(n.id)) for n in rows]
            said.extend(word for _, word in moved if word)
            before = tuple(n for edit, _ in moved for n in edit.before)
            after = tuple(n for edit, _ in moved for n in edit.after)
            return replace(moved[0][0], before=before, after=after)

        if self._questions.do(review, make):
            self._actions.told.emit(said[0] if said else review.done[-1].summary())


def _read(alternative: Alternative, model: str, nuclei: Nuclei) -> Edit:
    answers = [Answer(s.mask, s.score, model) for s in alternative.seen]
    return apply_alternative(nuclei, alternative.ids, answers)


def _round(y: float, x: float) -> Box:
    """Return the box around a point in which nuclei can matter to a click."""
    return int(y) - REACH, int(x) - REACH, int(y) + REACH, int(x) + REACH


def _put_edit(answer: Answer, nuclei: Nuclei) -> Edit:
    return put(nuclei, answer, "box")


def _roomy(nucleus: Nucleus) -> tuple[float, float, float, float]:
    """Return the box in which a nucleus is seen as its model drew it, with room to grow."""
    said = nucleus.origin.mask if nucleus.origin.kind is Kind.MODEL else None
    y0, x0, y1, x1 = (said or nucleus.mask).box
    dy, dx = 0.1 * (y1 - y0), 0.1 * (x1 - x0)
    return y0 - dy, x0 - dx, y1 + dy, x1 + dx
