"""Laws 1 to 11 after every step of any life of objects.

Its acts: arrivals, notes, rejections, deliveries, commitment by an archive that lies, eviction, recall, holds, jobs,
purges, restarts.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kinote.jobs.acts import JobAct
from kinote.jobs.leased import LeasedJob
from kinote.lifecycle.acts import FOR_OBJECTS, OTHER_COPY_CHOSEN
from kinote.lifecycle.rejection.rules import Effect, RejectionRules
from tests.actors import ORIGIN
from tests.databases import new_sqlite_index
from tests.kept_bytes import left_behind
from tests.laws.archived_life import ArchivedLife
from tests.laws.arrivals import (
    FIRST,
    FRAMES,
    LARGE,
    NO_PIXELS,
    NOWHERE,
    SECOND,
    STUDIES,
    Flag,
    Image,
    KeyObject,
    image_uid,
    study_in,
)
from tests.laws.living_product import FROM_ARCHIVE, FROM_STRANGER, UNDO_WINDOW, LivingProduct, open_sink
from tests.lifecycle.rejected import QUALITY, with_title
from tests.scale import SCALE

LONG = SCALE.law_steps >= 1000

#: Steps of one life: long enough that acts meet what others have left.
STEPS = 100 if LONG else 50

OpenLife = Callable[[RejectionRules], AbstractContextManager[ArchivedLife]]

ACTS = [act.name for act in FOR_OBJECTS if act is not OTHER_COPY_CHOSEN]
REJECTIONS = ["rejection", "safety", "worklist", "expired"]

studies = st.sampled_from(STUDIES)
images = st.builds(
    Image,
    study=studies,
    number=st.sampled_from([1, 1, 2, 2, LARGE, FRAMES, NO_PIXELS]),
    content=st.sampled_from([0, 0, 0, 1, 2]),
    implicit=st.sampled_from([False, False, True]),
    strays_to=st.sampled_from(["", "", "", "", "", SECOND]),
)
image_uids = st.builds(image_uid, studies, st.sampled_from([1, 1, 2, LARGE]))
document_uids = st.builds(lambda study, number: f"{study}.70.{number}", studies, st.integers(1, 4))
choices = st.integers(0, 1000)


@st.composite
def key_objects(draw: st.DrawFn) -> KeyObject:
    """Good ones, odd ones (images only listed, images elsewhere or nowhere) and broken ones."""
    uids = draw(st.lists(image_uids, min_size=1, max_size=3, unique=True))
    elsewhere = draw(st.sampled_from(["", "", NOWHERE]))
    return KeyObject(
        draw(studies),
        draw(st.integers(1, 4)),
        tuple(Flag(uid, elsewhere or study_in(uid)) for uid in uids),
        kind=draw(st.sampled_from(["mark", "mark", "manifest"])),
        text=draw(st.sampled_from(["", "nodule"])),
        broken=draw(st.sampled_from([False, False, False, True])),
        only_listed=draw(st.sampled_from([False, False, True])),
    )


class AnyLife(RuleBasedStateMachine):
    """People, peers, machines and time at work on the same objects."""

    #: Set by the test: opens an empty product.
    open_life: OpenLife
    #: Steps of all lives together.
    number_of_steps = 0

    def __init__(self) -> None:
        super().__init__()
        self._closing = ExitStack()
        self.leased: list[LeasedJob] = []
        self.number = 0

    @initialize(marks=st.booleans(), shows_note=st.booleans())
    def begin(self, marks: bool, shows_note: bool) -> None:
        rules = with_title(QUALITY, effect=Effect.MARKED if marks else Effect.HIDDEN, shows_note=shows_note)
        self.life: ArchivedLife = self._closing.enter_context(type(self).open_life(rules))

    def teardown(self) -> None:
        try:
            if hasattr(self, "life"):
                self.life.end()
        finally:
            self._closing.close()

    @invariant()
    def laws_hold(self) -> None:
        if hasattr(self, "life"):
            self.life.hold()
            type(self).number_of_steps += 1

    # --- what comes in ---

    @rule(came=st.lists(images, min_size=1, max_size=4, unique_by=lambda each: each.uid))
    def images_come(self, came: list[Image]) -> None:
        self.life.receive(*came, origin=ORIGIN)

    @rule(document=key_objects(), together=st.lists(images, max_size=2, unique_by=lambda each: each.uid))
    def a_key_object_comes(self, document: KeyObject, together: list[Image]) -> None:
        self.life.receive(document, *together, origin=ORIGIN)

    @rule(
        study=studies,
        number=st.integers(11, 14),
        kind=st.sampled_from(REJECTIONS),
        named=st.lists(st.one_of(image_uids, image_uids, document_uids), min_size=1, max_size=2, unique=True),
        of_ours=st.one_of(st.none(), choices),
        sender=st.sampled_from([FROM_ARCHIVE, FROM_ARCHIVE, FROM_STRANGER]),
        together=st.lists(images, max_size=1),
        only_listed=st.sampled_from([False, False, False, True]),
    )
    def a_rejection_comes(
        self,
        study: str,
        number: int,
        kind: str,
        named: list[str],
        of_ours: int | None,
        sender: Any,
        together: list[Image],
        only_listed: bool,
    ) -> None:
        """Before or after what it names; also of documents made here, and of rejection notes."""
        flags = [Flag(uid, study_in(uid)) for uid in named]
        made = sorted({(row.uid, row.study) for row in self.life.rows.instances.values() if row.made_from})
        if of_ours is not None and made:
            flags.append(Flag(*made[of_ours % len(made)]))
        document = KeyObject(study, number, tuple(flags), kind=kind, only_listed=only_listed)
        self.life.receive(document, *together, origin=sender)

    @rule(which=choices)
    def a_held_copy_is_discarded(self, which: int) -> None:
        self.life.discard_held(lambda those: those[which % len(those)])

    @rule(which=choices, decision=st.sampled_from(["accept", "refuse"]))
    def a_person_decides_about_a_rejection(self, which: int, decision: str) -> None:
        self.life.decide_rejection(lambda those: those[which % len(those)], decision)

    # --- what people do ---

    @rule(uids=st.lists(image_uids, min_size=1, max_size=3, unique=True), said=st.sampled_from(["", "右肺"]))
    def a_note_is_made(self, uids: list[str], said: str) -> None:
        there = [uid for uid in uids if (row := self.life.rows.current(uid)) and row.standing == "live"]
        self.life.make(there or uids, said)

    @rule(which=choices, uids=st.lists(image_uids, min_size=1, max_size=2, unique=True))
    def a_note_is_revised(self, which: int, uids: list[str]) -> None:
        self.life.revise(lambda those: those[which % len(those)], uids, f"revised {which}")

    @rule(which=choices)
    def a_note_is_withdrawn(self, which: int) -> None:
        self.life.withdraw_note(lambda those: those[which % len(those)])

    @rule(
        act=st.sampled_from(ACTS),
        uids=st.lists(st.one_of(image_uids, document_uids), min_size=1, max_size=3, unique=True),
        whole=st.sampled_from(["", "", "", FIRST, SECOND]),
        repeats=st.booleans(),
    )
    def objects_are_withdrawn(self, act: str, uids: list[str], whole: str, repeats: bool) -> None:
        self.number += 1
        what = {"studies": [whole]} if whole else {"instances": uids}
        self.life.withdraw(act, key=f"withdrawal-{self.number}", repeats=repeats, **what)

    @rule(which=choices)
    def a_withdrawal_is_undone(self, which: int) -> None:
        self.life.undo(lambda those: those[-1 - which % len(those)])

    # --- what goes out ---

    @rule(
        study=studies,
        takes=st.sampled_from([1000, 1000, 1000, 0, 1]),
        loses_answers=st.booleans(),
        prompt=st.booleans(),
    )
    def a_study_is_moved(self, study: str, takes: int, loses_answers: bool, prompt: bool) -> None:
        self.life.move(study, takes=takes, loses_answers=loses_answers, prompt=prompt)

    @rule(study=studies)
    def a_study_is_got(self, study: str) -> None:
        self.life.get(study)

    @rule(study=studies)
    def a_study_is_asked_for(self, study: str) -> None:
        self.life.find(study)

    @rule()
    def the_ledger_is_written(self) -> None:
        self.life.product.ledger.write()

    # --- at the archive ---

    @rule(
        study=studies,
        takes=st.sampled_from([1000, 1000, 0, 1]),
        loses_answers=st.booleans(),
        forgets=st.sampled_from([False, False, True]),
    )
    def a_delivery_is_ordered(self, study: str, takes: int, loses_answers: bool, forgets: bool) -> None:
        """Workers carry it out, or die in the middle of it; the archive refuses, ends, or throws away what it takes."""
        self.life.sink.expect(takes, loses_answers=loses_answers)
        self.life.sink.forgets = forgets
        self.life.order(study)

    @rule(study=studies, proves=st.sampled_from([True, True, False]), evicts=st.booleans())
    def a_study_goes_to_the_archive(self, study: str, proves: bool, evicts: bool) -> None:
        """All of it at once, as chance seldom has it: sent, committed, proved, evicted."""
        self.life.archive(study, proves=proves, evicts=evicts)

    @rule(is_lost=st.booleans())
    def the_archive_is_asked_for_commitment(self, is_lost: bool) -> None:
        self.life.ask(is_lost=is_lost)

    @rule(which=choices, how=st.sampled_from(["honest", "honest", "honest", "half", "fails", "unknown"]))
    def the_archive_answers(self, which: int, how: str) -> None:
        """In any order, late, and more than once."""
        self.life.answer(lambda those: those[which % len(those)], how)

    @rule()
    def results_are_waited_for_no_longer(self) -> None:
        self.life.time_up()

    @rule()
    def a_recall_proves_the_archive(self) -> None:
        self.life.prove()

    @rule()
    def objects_are_evicted(self) -> None:
        self.life.evict()

    @rule()
    def evicted_files_are_removed(self) -> None:
        self.life.remove_evicted()

    @rule(which=choices, is_away=st.booleans())
    def an_evicted_image_is_read(self, which: int, is_away: bool) -> None:
        self.life.read_again(lambda those: those[which % len(those)], is_away=is_away)

    @rule(study=studies)
    def a_hold_is_placed(self, study: str) -> None:
        self.life.place_hold(study)

    @rule(study=studies)
    def a_hold_is_ended(self, study: str) -> None:
        self.life.end_hold(study)

    # --- jobs ---

    @rule(which=choices)
    def a_document_is_still_to_be_made(self, which: int) -> None:
        self.life.make_derivable(lambda those: those[which % len(those)])

    @rule()
    def jobs_are_asked_for(self) -> None:
        self.life.ask_for_jobs()

    @rule(worker=st.sampled_from(["a", "b"]))
    def a_worker_takes_a_job(self, worker: str) -> None:
        leased = self.life.claim(worker)
        if leased is not None:
            self.leased.append(leased)

    @precondition(lambda self: self.leased)
    @rule(
        which=choices,
        dies_after=st.sampled_from([None, None, 1, 2]),
        fails=st.sampled_from([False, False, True]),
    )
    def a_worker_goes_on(self, which: int, dies_after: int | None, fails: bool) -> None:
        """Also one that was frozen, has lost its lease, and wakes up."""
        leased = self.leased.pop(which % len(self.leased))
        self.life.work(leased, dies_after=dies_after, fails=fails)

    @precondition(lambda self: self.leased)
    @rule(which=choices)
    def a_worker_is_killed(self, which: int) -> None:
        self.leased.pop(which % len(self.leased))

    @rule(act=st.sampled_from(JobAct))
    def people_act_on_jobs(self, act: JobAct) -> None:
        self.life.act_on_jobs(act)

    # --- time ---

    @rule(
        by=st.sampled_from([timedelta(minutes=2), UNDO_WINDOW * 1.5, timedelta(hours=25), timedelta(days=2)])
    )
    def time_passes(self, by: timedelta) -> None:
        self.life.product.pass_time(by)

    @rule(by=st.sampled_from([timedelta(days=-3), timedelta(days=3), timedelta(minutes=-30)]))
    def the_clock_jumps(self, by: timedelta) -> None:
        self.life.product.clock.now += by

    @rule()
    def windows_are_looked_at(self) -> None:
        self.life.close_windows()

    @rule()
    def jobs_are_looked_at(self) -> None:
        self.life.sweep()

    @rule()
    def the_reaper_looks(self) -> None:
        self.life.reap()

    @rule(killed=st.booleans(), leaves=st.booleans())
    def the_product_is_opened_again(self, killed: bool, leaves: bool) -> None:
        if killed and leaves:
            left_behind(self.life.product.stores, b"never acknowledged", small=True)
        self.life.restart(killed=killed)
        self.leased.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def open_life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenLife]:
    """Opens empty products one after the other on each kind of database, beside one peer for all."""
    with open_sink() as (sink, entity):

        @contextmanager
        def opened(rules: RejectionRules) -> Iterator[ArchivedLife]:
            data = tmp_path / uuid.uuid4().hex
            data.mkdir()
            with ExitStack() as closing:
                closing.callback(shutil.rmtree, data)
                product = LivingProduct(_database(request, data, closing), data, [entity], rules)
                try:
                    yield ArchivedLife(product, sink)
                finally:
                    product.close()

        yield opened


def _database(request: pytest.FixtureRequest, data: Path, closing: ExitStack) -> str:
    if request.param == "sqlite":
        return new_sqlite_index(data / "kinote.sqlite")
    server = request.getfixturevalue("postgresql_server")
    name = f"kinote_{uuid.uuid4().hex}"
    url: str = server.create(name, template=request.getfixturevalue("postgresql_template"))
    closing.callback(server.drop, name)
    return url


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", ["fixed", "fresh"])
def test_laws_1_to_11_hold_through_any_life(open_life: OpenLife, seed: str) -> None:
    machine = type("AnyLife", (AnyLife,), {"open_life": staticmethod(open_life)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(1, SCALE.life_steps // STEPS),
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=seed == "fixed",
            database=None,
            phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
