"""What happens to objects in their whole life, done to a living product step by step, each with what must follow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from kinote.catalog.schema.timestamps import timestamp
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.commands import CStoreRequest, CStoreResponse
from kinote.dimse.information_models import STUDY_ROOT
from kinote.jobs.acts import JobAct, do
from kinote.jobs.leased import Failed, LeasedJob, LostLeaseError, Outcome
from kinote.jobs.lists import JobFilter
from kinote.jobs.states import ENDED, State
from kinote.notes.creator.making_jobs import make_in_background
from kinote.notes.registrar.registering_jobs import register_found
from kinote.security.origins import Origin
from tests.laws.arrivals import CT, KEY_OBJECT, STATE, STUDIES, ULTRASOUND, Arriving, KeyObject, data_set
from tests.laws.life_audit import (
    Promises,
    digest_in,
    hold_everything,
    hold_rows,
    hold_study,
    may_be_purged,
    read,
)
from tests.laws.living_product import LivingProduct, Sink
from tests.scp.requests import encoded, request

#: Ways out that are looked at in turn, after each step one of them for what the step touched.
_IN_TURN = (
    "QIDO-RS",
    "the account",
    "the source of delivery",
    "the viewer's study",
    "WADO-RS metadata",
    "WADO-RS",
)

#: Steps between two looks at everything.
WHOLE_AUDIT_EVERY = 100

#: In so many looks at what is due all jobs must have ended.
_MOST_ROUNDS = 900


class DeadError(BaseException):
    """The worker is killed."""


class Life:
    """A living product, what was promised, and how each step leaves it."""

    def __init__(self, product: LivingProduct, sink: Sink) -> None:
        self.product = product
        self.sink = sink
        self.promises = Promises()
        self.rows = hold_rows(product, self.promises)
        self.steps = 0
        self.withdrawals: list[int] = []
        #: The studies of the last step.
        self.touched: set[str] = set()

    # --- after each step ---

    def hold(self) -> None:
        """The laws hold: for all rows, and by one way out for the studies that were touched; at times by all."""
        self.steps += 1
        before = self.rows
        self.rows = hold_rows(self.product, self.promises, before)
        changed = {
            row.study
            for key, row in self.rows.instances.items()
            if before.instances.get(key) is None or before.instances[key] != row
        }
        way = _IN_TURN[self.steps % len(_IN_TURN)]
        for study in sorted(self.touched | changed):
            hold_study(self.product, self.rows, study, [way])
        self.touched = set()
        if self.steps % WHOLE_AUDIT_EVERY == 0:
            hold_everything(self.product, self.rows)

    @contextlib.contextmanager
    def nothing_is_shown_or_hidden(self) -> Iterator[None]:
        """Whatever becomes of a job decides nothing about standing (law 2)."""
        before = read(self.product).standings
        yield
        assert read(self.product).standings == before, "a job has decided what is shown"

    # --- what comes in ---

    def receive(self, *arriving: Arriving, origin: Origin) -> list[str]:
        """Let objects in together; what is taken is a promise, and one of them harms no other (law 5)."""
        outcomes = self.product.receive_from(origin, [each.file for each in arriving])
        kinds: list[str] = []
        for each, outcome in zip(arriving, outcomes, strict=True):
            kinds.append(outcome.kind)
            assert outcome.kind in ("stored", "known", "held", "refused"), outcome
            if outcome.kind in ("stored", "held"):
                self.promises.data_sets.add((each.uid, data_set(each.file)))
            if outcome.kind == "refused":
                # A rejection that came with it may have been filed before it.
                row = read(self.product).current(each.uid)
                assert row is not None, outcome
                assert row.standing in ("withdrawn", "purged"), outcome
            if isinstance(each, KeyObject) and outcome.kind == "stored" and "again" not in outcome.reason:
                assert bool(outcome.registration), outcome
            self.touched.add(each.lies_in)
        return kinds

    def discard_held(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        held = [row for row in self.rows.instances.values() if row.standing == "held"]
        if not held:
            return
        row = choose(held)
        answer = self.product.client.post(
            f"/api/v1/held/{row.id}", json={"decision": "keep first", "text": "Sent twice"}
        )
        if row.study in self.promises.on_hold:
            assert answer.status_code == 409, answer.text
            return
        assert answer.status_code == 200, answer.text
        self.promises.discarded.add(row.id)
        self.promises.data_sets = {
            (uid, data)
            for uid, data in self.promises.data_sets
            if uid != row.uid or not self._is_of(row, data)
        }

    def _is_of(self, row: Any, dataset: bytes) -> bool:
        return bool(digest_in(dataset, row.digest_algorithm) == row.digest)

    def decide_rejection(self, choose: Callable[[Sequence[Any]], Any], decision: str) -> None:
        waiting = self.product.items("rejections")
        if waiting:
            path = f"/api/v1/rejections/{choose(waiting)['id']}"
            answer = self.product.client.post(
                path, json={"decision": decision, "reason": "a person has looked"}
            )
            assert answer.status_code in (200, 409), answer.text

    # --- notes ---

    def make(self, uids: Sequence[str], description: str) -> None:
        first = self.rows.current(uids[0])
        study = first.study if first else STUDIES[0]
        self._asked("POST", f"studies/{study}/notes", _note(uids, description), (201, 404, 422))

    def revise(self, choose: Callable[[Sequence[Any]], Any], uids: Sequence[str], description: str) -> None:
        notes = self.product.items("notes")
        if notes:
            note = choose(notes)
            headers = {"If-Match": f'"{note["version"]}"'}
            self._asked("PUT", f"notes/{note['id']}", _note(uids, description), (200, 409, 422), headers)

    def withdraw_note(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        notes = self.product.items("notes")
        if not notes:
            return
        note = choose(notes)
        done = self._asked("DELETE", f"notes/{note['id']}?reason=mistaken", None, (200, 409))
        if done is not None:
            assert note["id"] not in {each["id"] for each in self.product.items("notes")}

    def _asked(
        self,
        method: str,
        path: str,
        body: Any,
        statuses: Sequence[int],
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Ask for an act; its JSON, or None where it is refused, and then nothing has changed (law 4)."""
        answer = self.product.client.request(method, f"/api/v1/{path}", json=body, headers=headers or {})
        assert answer.status_code in statuses, f"{answer.status_code} {answer.text}"
        if answer.status_code >= 300:
            assert read(self.product).standings == self.rows.standings, (
                "what was refused was done all the same"
            )
            return None
        return answer.json()

    # --- withdrawals ---

    def withdraw(self, act: str, *, key: str, repeats: bool, **what: list[str]) -> None:
        """Withdraw; asked again after a lost answer, it is done once."""
        body = {"act": act, "text": "a reason", **what}
        headers = {"Idempotency-Key": key}
        # What is on hold does not expire.
        statuses = (201, 404, 409, 422) if self.promises.on_hold else (201, 404, 422)
        done = self._asked("POST", "withdrawals", body, statuses, headers)
        if done is None:
            return
        self.withdrawals.append(done["id"])
        after = read(self.product)
        for uid in what.get("instances", ()):
            row = after.current(uid)
            assert row is None or row.standing != "live", f"{uid} is withdrawn and live"
        for study in what.get("studies", ()):
            # The rejection note that tells of it lies there, if it is live at once.
            notes = {note.uid for note in after.notes}
            assert set(after.live_in(study)) <= notes
        if repeats:
            again = self.product.client.post("/api/v1/withdrawals", json=body, headers=headers)
            assert (again.status_code, again.json()["id"]) == (201, done["id"])
            assert read(self.product).standings == after.standings

    def undo(self, choose: Callable[[Sequence[int]], int]) -> None:
        if not self.withdrawals:
            return
        key = choose(self.withdrawals)
        those = [each for each in self.rows.targets if each.id == key]
        answer = self.product.client.request("DELETE", f"/api/v1/withdrawals/{key}")
        assert answer.status_code in (200, 404, 409), answer.text
        after = read(self.product)
        if answer.status_code != 200:
            assert after.standings == self.rows.standings
            return
        self.withdrawals.remove(key)
        for each in those:
            row = after.current(each.uid)
            if row is not None and row.standing != "purged":
                assert row.standing == ("withdrawn" if after.in_force(row) else "live")

    def close_windows(self) -> None:
        """What is due is told; what is not, is not."""
        open_before = {
            each.id: each for each in self.rows.targets if each.closed_at is None and not each.undone_at
        }
        self.product.windows.step()
        after = {each.id: each for each in read(self.product).targets}
        for key, each in open_before.items():
            is_due = each.closes_at <= timestamp(self.product.clock())
            assert (after[key].closed_at is not None) >= is_due, "a window that is due stays open"

    # --- time, purges ---

    def reap(self) -> None:
        """Only what has been withdrawn for its time goes, and its bytes follow."""
        before = read(self.product)
        may = may_be_purged(before, self.product.clock(), self.promises.on_hold)
        for _ in range(3):
            self.product.reaper.step()
        after = read(self.product)
        purged = {key for key, row in after.instances.items() if row.standing == "purged"}
        purged -= {key for key, row in before.instances.items() if row.standing == "purged"}
        assert purged <= may, f"purged before their time: {[after.instances[key] for key in purged - may]}"

    def all_marked_is_gone(self) -> None:
        """With time, and a clock that nobody sets, everything that may be purged is, and nothing is owed any more."""
        for _ in range(4):
            self.product.pass_time(timedelta(days=2))
            self.close_windows()
            self.reap()
        rows = read(self.product)
        may = may_be_purged(rows, self.product.clock())
        assert not may, [rows.instances[key] for key in may]
        assert not rows.owed
        self.rows = rows

    # --- what goes out ---

    def move(self, study: str, *, takes: int, loses_answers: bool, prompt: bool) -> None:
        """C-MOVE to a peer that takes so many: what comes there is live, and each only once."""
        ought = read(self.product).live_in(study)
        self.sink.expect(takes, loses_answers=loses_answers)
        with self.product.face.called((STUDY_ROOT.move, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
            asked = encoded(request("STUDY", StudyInstanceUID=study), IMPLICIT_VR_LITTLE_ENDIAN)
            last = list(invoking.move(association, STUDY_ROOT.move, "SINK", asked))[-1]
        taken = self.sink.taken
        assert set(taken) <= set(ought), "what is not live was sent"
        if takes >= len(ought):
            assert (sorted(taken), last.status) == (ought, statuses.SUCCESS), last
            assert (last.completed or 0) == len(ought)
        else:
            assert (last.failed or 0) > 0
        if prompt:
            self.product.ledger.write()

    def get(self, study: str) -> None:
        """C-GET gives all that is live, and nothing else."""
        received: list[str] = []

        def store(context: Any, command: CStoreRequest, data: Iterator[memoryview]) -> CStoreResponse:
            for _ in data:
                pass
            received.append(command.affected_sop_instance_uid)
            return CStoreResponse(message_id_being_responded_to=command.message_id, status=statuses.SUCCESS)

        classes = (CT, ULTRASOUND, STATE, KEY_OBJECT)
        syntaxes = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
        contexts = [
            (STUDY_ROOT.get, (IMPLICIT_VR_LITTLE_ENDIAN,)),
            *((each, syntaxes[:1]) for each in classes),
        ]
        with self.product.face.called(*contexts, storing=frozenset(classes)) as association:
            asked = encoded(request("STUDY", StudyInstanceUID=study), IMPLICIT_VR_LITTLE_ENDIAN)
            answers = list(invoking.get(association, STUDY_ROOT.get, asked, store))
        assert set(received) <= set(read(self.product).live_in(study))
        assert answers

    def find(self, study: str) -> None:
        """C-FIND counts and lists what is live."""
        with self.product.face.called((STUDY_ROOT.find, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
            asked = encoded(
                request("STUDY", StudyInstanceUID=study, NumberOfStudyRelatedInstances=""),
                IMPLICIT_VR_LITTLE_ENDIAN,
            )
            found = [each for _, each in invoking.find(association, STUDY_ROOT.find, asked)]
        ought = read(self.product).live_in(study)
        said = [each for each in found if each]
        assert len(said) == bool(ought)
        if said:
            assert f"{len(ought)}".encode() in said[0]

    # --- jobs ---

    def make_derivable(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        """A document becomes one whose bytes are still to be made, as those of notes from elsewhere are."""
        mine = [
            row
            for row in self.rows.instances.values()
            if row.made_from and row.residence == "local" and row.standing == "live"
        ]
        if not mine:
            return
        row = choose(mine)
        self.promises.made[row.uid] = row.digest

        def work(transaction: Any) -> None:
            key = {"id": row.id}
            transaction.execute(text("DELETE FROM instance_bytes WHERE instance = :id"), key)
            transaction.execute(text("DELETE FROM instance_pieces WHERE instance = :id"), key)
            transaction.execute(
                text(
                    "UPDATE instance SET residence = 'derivable', digest = NULL, size = NULL WHERE id = :id"
                ),
                key,
            )

        self.product.catalog.write(work)

    def ask_for_jobs(self) -> None:
        """Documents are to be made in the background, and read again that were not understood."""
        make_in_background(self.product.catalog, self.product.clock)
        self.product.catalog.write(
            lambda transaction: register_found(
                transaction, "error", "", actor="somebody", clock=self.product.clock
            )
        )

    def claim(self, worker: str) -> LeasedJob | None:
        with self.nothing_is_shown_or_hidden():
            return self.product.shop.claim(worker)

    def work(self, leased: LeasedJob, *, dies_after: int | None = None, fails: bool = False) -> None:
        """A worker goes on with its job, whether or not it still has it: to the end, to a failure or to its death."""
        holds = self._holds(leased)
        before = self._of_jobs()
        with self.nothing_is_shown_or_hidden():
            outcome = self._outcome(leased, dies_after, fails=fails)
            if outcome is not None:
                assert self.product.shop.settle(leased, outcome) is (holds and not leased.is_lost)
        if not holds:
            assert self._of_jobs() == before, "a worker that has lost its lease has written"

    def _outcome(self, leased: LeasedJob, dies_after: int | None, *, fails: bool) -> Outcome | Failed | None:
        if fails:
            return Failed("it was not its day")
        write, number = leased.write, 0

        def dying(*arguments: Any, **options: Any) -> Any:
            nonlocal number
            number += 1
            if number == dies_after:
                raise DeadError
            return write(*arguments, **options)

        if dies_after is not None:
            leased.write = dying  # type: ignore[method-assign]
        try:
            return self.product.handlers[leased.kind.name](leased)
        except DeadError:
            return None
        except LostLeaseError:
            assert not self._holds(leased)
            return None
        except Exception as error:
            return Failed(str(error))
        finally:
            if dies_after is not None:
                leased.write = write  # type: ignore[method-assign]

    def _holds(self, leased: LeasedJob) -> bool:
        row = self.product.shop.row(leased.id)
        return (row.state, row.attempt, row.worker) == (
            State.LEASED,
            leased.claimed.attempt,
            leased.claimed.worker,
        ) and not self.product.shop.is_over(row.until_at)

    def _of_jobs(self) -> list[Any]:
        rows = read(self.product)
        return [sorted(map(repr, rows.jobs)), sorted(map(repr, rows.instances.values()))]

    def act_on_jobs(self, act: JobAct) -> None:
        with self.nothing_is_shown_or_hidden():
            self.product.catalog.write(
                lambda transaction: do(
                    transaction,
                    act,
                    JobFilter(state=""),
                    expected=None,
                    actor="somebody",
                    reason="why not",
                    clock=self.product.clock,
                )
            )

    def sweep(self) -> None:
        with self.nothing_is_shown_or_hidden():
            self.product.sweep()

    def all_jobs_end(self) -> None:
        """With workers that die each time and nobody who helps, each job ends (law 3)."""
        for _ in range(_MOST_ROUNDS):
            if all(State(row.state) in ENDED for row in self.product.shop.rows()):
                return
            while self.product.shop.claim("dying") is not None:
                pass
            self.product.pass_time(timedelta(days=40))
            self.product.sweep()
        raise AssertionError("Jobs never end")

    # --- the product ---

    def restart(self, *, killed: bool) -> None:
        before = read(self.product).standings
        self.product.restart(killed=killed)
        assert read(self.product).standings == before, "a restart has changed what is shown"
        self.touched |= set(STUDIES)

    def end(self) -> None:
        """At the end everything ends, all that is marked goes, and all is as the laws say."""
        self.all_jobs_end()
        self.product.ledger.write()
        self.rows = hold_rows(self.product, self.promises)
        self.all_marked_is_gone()
        hold_everything(self.product, self.rows)


def _note(uids: Sequence[str], description: str) -> dict[str, Any]:
    return {
        "title": {"scheme": "DCM", "value": "113000"},
        "description": description,
        "author": {"name": "Doe^Jane"},
        "references": [{"sop_instance_uid": uid} for uid in uids],
    }
