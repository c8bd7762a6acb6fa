"""Laws 1, 4, 7 and 8 after every act of any sequence of acts, beside a model that knows no tables."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.laws.acts import Acts, Asked
from tests.laws.arrivals import (
    FIRST,
    NOWHERE,
    NUMBERS,
    OTHER,
    PATIENTS,
    SECOND,
    STUDIES,
    Flag,
    Image,
    KeyObject,
    flag,
    image_uid,
)
from tests.laws.audit import hold_all, hold_feed, hold_instance
from tests.laws.conftest import OpenProduct
from tests.laws.model import key_objects
from tests.scale import SCALE

LONG = SCALE.law_steps >= 1000

#: Steps of one sequence: long enough that acts meet what others have left.
STEPS = 50

images = st.builds(
    Image,
    study=st.sampled_from(STUDIES),
    number=st.sampled_from(NUMBERS),
    content=st.sampled_from([0, 0, 0, 1, 2]),
    implicit=st.sampled_from([False, False, False, True]),
    strays_to=st.sampled_from(["", "", "", "", SECOND]),
)

some_uids = st.builds(image_uid, st.sampled_from(STUDIES), st.sampled_from(NUMBERS))

#: Images flagged where they lie, or where they do not; there, to come, or never to come.
flags = st.one_of(
    some_uids.map(flag),
    some_uids.map(flag),
    st.builds(Flag, some_uids, st.just(NOWHERE)),
    st.just(flag(image_uid(NOWHERE, 1))),
)


@st.composite
def documents(draw: st.DrawFn, *, broken: bool = False) -> KeyObject:
    """Few texts and few flags, so that now and then two documents say the same."""
    study = draw(st.sampled_from(STUDIES))
    return KeyObject(
        study,
        draw(st.integers(1, 6)),
        tuple(draw(st.lists(flags, min_size=1, max_size=3, unique_by=lambda each: each.uid))),
        kind=draw(st.sampled_from(["mark", "mark", "mark", "rejection", "manifest"])),
        text=draw(st.sampled_from(["", "nodule"])),
        broken=broken,
    )


class AnyActs(RuleBasedStateMachine):
    """People and machines at work, in any order."""

    #: Set by the test: opens an empty product.
    open_product: OpenProduct

    def __init__(self) -> None:
        super().__init__()
        self._closing = ExitStack()
        self.acts: Acts = self._closing.enter_context(type(self).open_product())
        self.decided: list[int] = []
        self.is_restored = False

    def teardown(self) -> None:
        try:
            hold_all(self.acts)
            hold_feed(self.acts)
            for each in self.acts.model.not_live()[:5]:
                hold_instance(self.acts, each.uid)
        finally:
            self._closing.close()

    @invariant()
    def laws_hold(self) -> None:
        hold_all(self.acts, sorted(self.acts.touched))

    # --- what comes in ---

    @rule(came=st.lists(images, min_size=1, max_size=4, unique_by=lambda each: each.uid))
    def images_come(self, came: list[Image]) -> None:
        self.acts.receive(*came)
        hold_instance(self.acts, came[0].uid)

    @rule(document=documents(), together=st.lists(images, max_size=2, unique_by=lambda each: each.uid))
    def a_document_comes(self, document: KeyObject, together: list[Image]) -> None:
        self.acts.receive(document, *together)
        hold_instance(self.acts, document.uid)

    @rule(document=documents(broken=True))
    def a_broken_document_comes(self, document: KeyObject) -> None:
        self.acts.receive(document)

    @rule(
        flagged=st.lists(some_uids, min_size=1, max_size=2, unique=True),
        number=st.integers(7, 9),
        at_once=st.booleans(),
    )
    def identical_documents_come(self, flagged: list[str], number: int, at_once: bool) -> None:
        uids = [f"{study}.70.{number}" for study in (FIRST, SECOND)]
        said = tuple(map(flag, flagged))
        copies = [
            KeyObject(study, number, said, text=f"copy {number}", copies=(uids[1 - place],))
            for place, study in enumerate((FIRST, SECOND))
        ]
        if at_once:
            self.acts.receive(*copies)
        else:
            for copy in copies:
                self.acts.receive(copy)

    @precondition(lambda self: self.acts.model.live())
    @rule(data=st.data())
    def what_went_out_comes_in_again(self, data: st.DataObject) -> None:
        self.acts.send_back(data.draw(self._any(self.acts.model.live())).uid)

    @precondition(lambda self: self.acts.model.objects)
    @rule(data=st.data())
    def a_document_is_read_again(self, data: st.DataObject) -> None:
        documents = [each.uid for each in key_objects(self.acts.model.objects.values())]
        self.acts.read_again(data.draw(self._any(documents) if documents else some_uids))

    @precondition(lambda self: self.acts.model.objects)
    @rule(uid=some_uids)
    def somebody_asks_to_read_again_what_is_no_document(self, uid: str) -> None:
        self.acts.read_again(uid)

    @precondition(lambda self: self.acts.model.held)
    @rule(data=st.data())
    def a_held_copy_is_discarded(self, data: st.DataObject) -> None:
        which = data.draw(st.integers(0, len(self.acts.model.held) - 1))
        self.decided.append(self.acts.discard(which))

    @precondition(lambda self: self.decided)
    @rule(data=st.data())
    def somebody_decides_what_was_decided(self, data: st.DataObject) -> None:
        self.acts.decide_again(data.draw(self._any(self.decided)))

    # --- what people do ---

    @rule(data=st.data())
    def a_note_is_made(self, data: st.DataObject) -> None:
        self.acts.make(self._asked(data))

    @precondition(lambda self: self.acts.model.notes)
    @rule(data=st.data(), stale=st.sampled_from([False, False, True]))
    def a_note_is_revised(self, data: st.DataObject, stale: bool) -> None:
        number = data.draw(self._any_note())
        seen = len(self.acts.model.notes[number].versions) - stale
        self.acts.revise(number, self._asked(data), seen_version=seen)

    @precondition(lambda self: self.acts.model.notes)
    @rule(data=st.data(), seen=st.sampled_from([None, None, 1, 2]))
    def a_note_is_withdrawn(self, data: st.DataObject, seen: int | None) -> None:
        number = data.draw(self._any_note())
        documents = list(self.acts.model.notes[number].current.documents)
        self.acts.withdraw_note(number, seen_version=seen)
        hold_instance(self.acts, documents[0])

    @rule(data=st.data())
    def instances_are_withdrawn(self, data: st.DataObject) -> None:
        """Also such as have not come yet."""
        uids = data.draw(st.lists(self._flaggable(), min_size=1, max_size=2, unique=True))
        self.acts.withdraw(*uids)

    @precondition(lambda self: self.acts.withdrawal_keys)
    @rule(data=st.data())
    def a_withdrawal_is_undone(self, data: st.DataObject) -> None:
        self.acts.undo(data.draw(self._any(list(self.acts.withdrawal_keys))))

    @rule(left_behind=st.sampled_from([b"", b"never acknowledged"]))
    def the_product_is_opened_again(self, left_behind: bytes) -> None:
        self.acts.restart(left_behind)

    @precondition(lambda self: self.acts.feed and not self.is_restored)
    @rule()
    def everything_is_lost_and_restored(self) -> None:
        """Once, since it takes a second."""
        self.is_restored = True
        self.acts.lose_and_restore()

    # --- what they do it to ---

    @staticmethod
    def _any(those: list[Any]) -> st.SearchStrategy[Any]:
        return st.sampled_from(those)

    def _any_note(self) -> st.SearchStrategy[int]:
        """Any note, preferably one that has not been withdrawn."""
        notes = self.acts.model.notes
        shown = [note.number for note in self.acts.model.marks()]
        return st.one_of(st.sampled_from(shown or list(notes)), st.sampled_from(list(notes)))

    def _flaggable(self) -> st.SearchStrategy[str]:
        """What is there, preferably; or what is not."""
        there = list(self.acts.model.objects)
        return st.one_of(st.sampled_from(there), st.sampled_from(there), some_uids) if there else some_uids

    def _asked(self, data: st.DataObject) -> Asked:
        study = data.draw(st.sampled_from([FIRST, OTHER]))
        whose = [each.uid for each in self.acts.model.live() if PATIENTS[each.study] == PATIENTS[study]]
        wanted = st.sampled_from(whose) if whose else some_uids
        flagged = data.draw(
            st.one_of(
                st.lists(wanted, min_size=1, max_size=3, unique=True),
                st.lists(wanted, min_size=1, max_size=3, unique=True),
                st.lists(self._flaggable(), min_size=1, max_size=3),
            )
        )
        return Asked(tuple(flagged), data.draw(st.sampled_from(["", "右肺", "Nodule"])))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_laws_1_4_7_and_8_hold_after_any_acts(open_product: OpenProduct) -> None:
    machine = type("AnyActs", (AnyActs,), {"open_product": staticmethod(open_product)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=SCALE.law_steps // STEPS,
            stateful_step_count=STEPS,
            deadline=None,
            # The short form is the same each time, and says at once what it has found; the long form takes
            # the time to find the shortest sequence that shows it.
            derandomize=not LONG,
            phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
