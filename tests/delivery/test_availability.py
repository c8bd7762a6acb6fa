"""Destinations are told which instances of a study are available; pynetdicom is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind
from kinote.catalog.schema import tables
from kinote.catalog.schema.tables import owed_availability
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.availability import notification, telling
from kinote.delivery.availability.following import AvailabilityFollower
from kinote.delivery.availability.notification import INSTANCE_AVAILABILITY_NOTIFICATION
from kinote.delivery.availability.telling import TELL_AVAILABILITY, TellAvailability
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.jobs.leased import Done, Failed, LeasedJob, Outcome, PermanentError
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.undo_windows import close_window
from kinote.peers import destination_acts
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint
from tests.actors import ROE
from tests.catalog.archive import data_set, store
from tests.clock import clock
from tests.jobs.shop import Shop
from tests.peers.wanted import added, archive, dimse, sending_to

STUDY, OTHER = "1.2.1", "1.2.2"
AT_ONCE = timedelta(0)


class Station:
    """What pynetdicom was told, as studies with the availability of each instance; and what it answers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str]]] = []
        self.notifications: list[Dataset] = []
        self.answer: Callable[[Dataset], int] = lambda told: 0x0000
        self.meanwhile: Callable[[], object] = lambda: None

    def create(self, event: Any) -> tuple[int, Dataset]:
        told = event.attribute_list
        self.notifications.append(told)
        self.meanwhile()
        status = self.answer(told)
        if status == 0x0000:
            self.told.append(
                (
                    str(told.StudyInstanceUID),
                    {
                        str(each.ReferencedSOPInstanceUID): str(each.InstanceAvailability)
                        for series in told.ReferencedSeriesSequence
                        for each in series.ReferencedSOPSequence
                    },
                )
            )
        return status, Dataset()


@contextmanager
def station(
    taking: Station, *syntaxes: str, of: str = INSTANCE_AVAILABILITY_NOTIFICATION
) -> Iterator[Endpoint]:
    entity = AE("STATION")
    entity.add_supported_context(of, [*syntaxes] or [ExplicitVRLittleEndian])
    server: Any = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, taking.create)]
    )
    try:
        yield dimse("STATION", *server.socket.getsockname())
    finally:
        server.shutdown()


class Notifying:
    """The feed is followed and jobs are done by hand."""

    def __init__(self, catalog: Catalog, quiet: timedelta = AT_ONCE) -> None:
        self.catalog = catalog
        self.shop = Shop(catalog, {TELL_AVAILABILITY.name: TELL_AVAILABILITY})
        self.follower = AvailabilityFollower(catalog, self.shop.clock, quiet=quiet)
        self.tell = TellAvailability(catalog, self.shop.clock, title="KINOTE", tls=NO_CERTIFICATES)
        self.follower.step()

    def wanted_by(self, endpoint: Endpoint, name: str = "Station") -> None:
        (reached,) = added(self.catalog, archive(name, endpoint)).endpoints
        wanted = sending_to(reached, name, Policy(availability=True))
        self.catalog.write(
            lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE)
        )

    def enable(self, *, destination: bool = True, peer: bool = True) -> None:
        """Say of all destinations and peers whether they are enabled."""

        def work(transaction: Connection) -> None:
            transaction.execute(tables.destination.update().values(is_enabled=destination))
            transaction.execute(tables.peer.update().values(is_enabled=peer))

        self.catalog.write(work)

    def step(self) -> None:
        self.follower.step()

    def outcomes(self) -> list[Outcome | Failed]:
        """What came of each job that was there."""
        found: list[Outcome | Failed] = []
        while (job := self.shop.claim()) is not None:
            outcome = self._outcome(job)
            self.catalog.write(partial(job.settle, outcome=outcome, chance=0.0))
            found.append(outcome)
        return found

    def _outcome(self, job: LeasedJob) -> Outcome | Failed:
        try:
            return self.tell(job)
        except PermanentError as error:
            return Failed(str(error), for_good=True)
        except Exception as error:
            return Failed(str(error))

    def pass_time(self) -> None:
        """All that is owed becomes due, and a paused job too."""
        due = owed_availability.update().values(due_at="2000")
        self.catalog.write(lambda transaction: transaction.execute(due))
        self.shop.pass_time(timedelta(hours=1))

    def owed(self) -> list[tuple[str, str]]:
        query = select(owed_availability.c.study_instance_uid, owed_availability.c.refusal)
        with self.catalog.read() as connection:
            return sorted((row.study_instance_uid, row.refusal) for row in connection.execute(query))


@pytest.fixture
def notifying(catalog: Catalog) -> Notifying:
    return Notifying(catalog)


def arrive(catalog: Catalog, *uids: str, study: str = STUDY) -> None:
    store(catalog, *(data_set(study, f"{study}.1", uid) for uid in uids))
    happened = [Change(Kind.INSTANCE_STORED, study, uid) for uid in uids]
    catalog.write(lambda transaction: changes.record(transaction, happened, now=clock()))


def take_out(catalog: Catalog, *uids: str) -> int:
    def work(transaction: Connection) -> int:
        return withdraw(transaction, uids, act=QUALITY, text="blurred", by=ROE, now=clock())

    return catalog.write(work)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_study_is_told_with_what_is_available(notifying: Notifying, syntax: str) -> None:
    taking = Station()
    with station(taking, syntax) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1", "1.2")
        arrive(notifying.catalog, "2.1", study=OTHER)
        notifying.step()
        assert [type(each) for each in notifying.outcomes()] == [Done]
        assert taking.told == [(STUDY, {"1.1": "ONLINE", "1.2": "ONLINE"}), (OTHER, {"2.1": "ONLINE"})]
        told = taking.notifications[0]
        assert list(told.ReferencedPerformedProcedureStepSequence) == []
        assert told.ReferencedSeriesSequence[0].SeriesInstanceUID == f"{STUDY}.1"
        assert told.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].RetrieveAETitle == "KINOTE"
        # Nothing has happened since.
        notifying.step()
        assert notifying.outcomes() == []


def test_what_is_withdrawn_and_returns_is_told(notifying: Notifying) -> None:
    taking = Station()
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1", "1.2")
        withdrawal = take_out(notifying.catalog, "1.2")
        notifying.step()
        notifying.outcomes()
        notifying.catalog.write(lambda transaction: undo(transaction, withdrawal, by=ROE, now=clock()))
        notifying.step()
        notifying.outcomes()
        assert [availabilities for _, availabilities in taking.told] == [
            {"1.1": "ONLINE", "1.2": "UNAVAILABLE"},
            {"1.1": "ONLINE", "1.2": "ONLINE"},
        ]


def test_law_4_nobody_is_told_of_what_is_withdrawn_before_its_window_has_closed(notifying: Notifying) -> None:
    taking = Station()
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1", "1.2")

        def told() -> dict[str, str]:
            notifying.step()
            notifying.outcomes()
            return {uid: taking.told[-1][1][uid] for uid in ("1.1", "1.2")}

        def rejecting(transaction: Connection) -> int:
            return reject(
                transaction,
                ["1.2"],
                act=QUALITY,
                text="",
                by=ROE,
                now=clock(),
                undo_window=timedelta(minutes=10),
            )

        first = notifying.catalog.write(rejecting)
        assert told() == {"1.1": "ONLINE", "1.2": "ONLINE"}
        notifying.catalog.write(lambda transaction: undo(transaction, first, by=ROE, now=clock()))
        assert told() == {"1.1": "ONLINE", "1.2": "ONLINE"}
        second = notifying.catalog.write(rejecting)
        assert told() == {"1.1": "ONLINE", "1.2": "ONLINE"}
        times = len(taking.told)
        notifying.catalog.write(lambda transaction: close_window(transaction, second, now=clock()))
        assert told() == {"1.1": "ONLINE", "1.2": "UNAVAILABLE"}
        assert len(taking.told) == times + 1


def test_a_study_that_changes_while_it_is_told_is_told_again(notifying: Notifying) -> None:
    taking = Station()
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1")
        notifying.step()

        def late() -> None:
            taking.meanwhile = lambda: None
            arrive(notifying.catalog, "1.2")
            notifying.step()

        taking.meanwhile = late
        notifying.outcomes()
        assert taking.told[-1] == (STUDY, {"1.1": "ONLINE", "1.2": "ONLINE"})
        assert notifying.owed() == []


def test_a_study_that_is_refused_keeps_no_other_from_being_told(notifying: Notifying) -> None:
    taking = Station()
    taking.answer = lambda told: 0x0106 if told.StudyInstanceUID == STUDY else 0x0000
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1")
        arrive(notifying.catalog, "2.1", study=OTHER)
        notifying.step()
        (outcome,) = notifying.outcomes()
        assert outcome == Done("It was told of 1 studies; 1 that it has refused are left until they change.")
        assert [study for study, _ in taking.told] == [OTHER]
        ((study, refusal),) = notifying.owed()
        assert study == STUDY
        assert "0106H" in refusal
        notifying.step()
        assert notifying.outcomes() == []
        taking.answer = lambda told: 0x0000
        arrive(notifying.catalog, "1.2")
        notifying.step()
        notifying.outcomes()
        assert taking.told[-1] == (STUDY, {"1.1": "ONLINE", "1.2": "ONLINE"})


@pytest.mark.parametrize("status", [0x0110, 0x0213])
def test_a_study_that_is_not_taken_now_keeps_no_other_from_being_told(
    notifying: Notifying, status: int
) -> None:
    taking = Station()
    taking.answer = lambda told: status if told.StudyInstanceUID == STUDY else 0x0000
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1")
        arrive(notifying.catalog, "2.1", study=OTHER)
        notifying.step()
        (outcome,) = notifying.outcomes()
        assert isinstance(outcome, Failed)
        assert not outcome.for_good
        assert f"{status:04X}H" in outcome.reason
        assert [study for study, _ in taking.told] == [OTHER]
        assert notifying.owed() == [(STUDY, "")]
        assert len(taking.notifications) == 2
        # It is told once it is due again.
        taking.answer = lambda told: 0x0000
        notifying.pass_time()
        notifying.outcomes()
        assert [study for study, _ in taking.told] == [OTHER, STUDY]
        assert notifying.owed() == []


def test_a_destination_that_takes_nothing_now_is_left_alone_after_a_while(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_NOT_TAKEN_IN_A_ROW", 2)
    monkeypatch.setattr(telling, "_PAGE", 1)
    taking = Station()
    taking.answer = lambda told: 0x0213
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        for number in range(4):
            arrive(notifying.catalog, f"{number}.1", study=f"1.2.{number}")
        notifying.step()
        assert [type(each) for each in notifying.outcomes()] == [Failed]
        assert len(taking.notifications) == 2
        assert len(notifying.owed()) == 4


def test_one_that_cannot_be_reached_keeps_no_other_from_being_told(notifying: Notifying) -> None:
    taking = Station()
    with station(Station()) as gone:
        pass
    with station(taking) as endpoint:
        notifying.wanted_by(gone, "Gone")
        notifying.wanted_by(Endpoint(endpoint.kind, "STATION2", endpoint.host, endpoint.port), "Station")
        arrive(notifying.catalog, "1.1")
        notifying.step()
        assert sorted(type(each).__name__ for each in notifying.outcomes()) == ["Done", "Failed"]
        assert [study for study, _ in taking.told] == [STUDY]
        assert notifying.owed() == [(STUDY, "")]


def test_who_takes_no_notifications_is_called_again_when_there_is_something_new(notifying: Notifying) -> None:
    taking = Station()
    with station(taking, of="1.2.840.10008.1.1") as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1")
        notifying.step()
        (outcome,) = notifying.outcomes()
        assert isinstance(outcome, Failed)
        assert outcome.for_good
        notifying.step()
        assert notifying.outcomes() == []
        notifying.shop.clock.now += timedelta(seconds=1)
        arrive(notifying.catalog, "1.2")
        notifying.step()
        assert len(notifying.outcomes()) == 1


@pytest.mark.parametrize("disabled", ["destination", "peer"])
def test_what_happens_while_it_is_disabled_is_told_once_it_is_enabled(
    notifying: Notifying, disabled: str
) -> None:
    taking = Station()
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1")
        notifying.step()
        # A job is there already, and something more happens.
        notifying.enable(**{disabled: False})
        arrive(notifying.catalog, "2.1", study=OTHER)
        notifying.step()
        (outcome,) = notifying.outcomes()
        assert isinstance(outcome, Done)
        assert "is disabled" in outcome.summary
        notifying.step()
        assert notifying.outcomes() == []
        assert taking.told == []
        notifying.enable()
        notifying.step()
        notifying.outcomes()
        assert [study for study, _ in taking.told] == [STUDY, OTHER]


def test_what_is_owed_to_a_destination_that_is_removed_is_forgotten(notifying: Notifying) -> None:
    with station(Station()) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1")
        notifying.step()
        ended = tables.destination.update().values(ended_at="2026-01-01")
        notifying.catalog.write(lambda transaction: transaction.execute(ended))
        notifying.step()
        assert notifying.owed() == []


def test_nobody_is_told_what_happened_before_they_wanted_to_know(notifying: Notifying) -> None:
    taking = Station()
    arrive(notifying.catalog, "1.1")
    notifying.step()
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "2.1", study=OTHER)
        notifying.step()
        notifying.outcomes()
        assert [study for study, _ in taking.told] == [OTHER]


def test_where_nobody_wants_to_be_told_nothing_is_written(database_url: str) -> None:
    held: list[float] = []
    catalog = Catalog(CatalogOptions(database_url), observe_background=held.append)
    try:
        notifying = Notifying(catalog)
        arrive(catalog, "1.1")
        notifying.step()
        assert held == []
        taking = Station()
        with station(taking) as endpoint:
            notifying.wanted_by(endpoint)
            arrive(catalog, "2.1", study=OTHER)
            # A server that starts only now tells what has happened since.
            AvailabilityFollower(catalog, clock, quiet=AT_ONCE).step()
            assert notifying.owed() == [(OTHER, "")]
            assert len(held) > 0
    finally:
        catalog.close()


def test_a_study_is_told_once_it_is_quiet(catalog: Catalog) -> None:
    taking = Station()
    notifying = Notifying(catalog, timedelta(hours=1))
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(catalog, "1.1")
        notifying.step()
        assert notifying.outcomes() == []
        assert notifying.owed() == [(STUDY, "")]


def test_a_large_study_is_told_in_parts(notifying: Notifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification, "MOST", 2)
    taking = Station()
    with station(taking) as endpoint:
        notifying.wanted_by(endpoint)
        arrive(notifying.catalog, "1.1", "1.2", "1.3")
        notifying.step()
        notifying.outcomes()
        assert [list(availabilities) for _, availabilities in taking.told] == [["1.1", "1.2"], ["1.3"]]
