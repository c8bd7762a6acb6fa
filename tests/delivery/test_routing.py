"""Routes: what they order, when, and what they never do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from kinote.catalog.feed_position import FeedPosition
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.catalog.transactions.waiting_work import HELD_AT_MOST
from kinote.delivery.orders import ordering
from kinote.delivery.routing import acting, acts, following, rows
from kinote.delivery.routing.acting import act
from kinote.delivery.routing.following import RouteFollower
from kinote.delivery.routing.route import Title, Trigger
from kinote.delivery.routing.selecting import Occasion
from kinote.keyobject.titles import OF_INTEREST, TITLES
from kinote.notes.acts.revise import revise
from kinote.peers.destination import Content
from tests.actors import ROE
from tests.clock import clock
from tests.delivery.routed import SURGERY, Routed, filled
from tests.notes import sample_studies
from tests.notes.sample_studies import FIRST, IMAGE, IMAGE_2, OTHER_IMAGE, SECOND

FOR_SURGERY = next(title for title in TITLES if title.value == "113004")


@pytest.fixture
def routed(catalog: Catalog) -> Routed:
    return filled(catalog)


def documents(note: Any) -> frozenset[str]:
    return frozenset(each.sop_instance_uid for each in note.key_objects)


def test_a_note_for_surgery_goes_to_its_station_and_to_no_other(routed: Routed) -> None:
    surgery = routed.destination("SURGERY")
    teaching = routed.destination("TEACHING")
    route = routed.route(surgery, titles=(SURGERY,), content=Content.KEY_IMAGES, name="For surgery")
    routed.route(teaching, titles=(Title("113002"),), content=Content.KEY_IMAGES, name="For teaching")

    note = sample_studies.made(routed.catalog, sample_studies.request(IMAGE, title=FOR_SURGERY))
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE_2, title=OF_INTEREST))
    said = routed.dry_run(route)
    routed.step()
    routed.step()

    assert routed.ordered() == [("SURGERY", documents(note) | {IMAGE})]
    assert [(each.occasion.note, frozenset(each.named)) for each in said.items] == [
        (note.id, documents(note) | {IMAGE})
    ]
    assert said.before is None
    assert routed.results() == [("note made", "ordered", 2)]


def test_an_occasion_is_acted_on_once_by_however_many_servers(routed: Routed) -> None:
    routed.route(routed.destination("SURGERY"), content=Content.NOTES)
    others = [RouteFollower(routed.catalog, clock) for _ in range(2)]
    note = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))

    for each in (*others, routed.follower, *others):
        each.step()

    assert routed.ordered() == [("SURGERY", documents(note))]


def test_breach_of_exactly_once_where_the_position_is_not_written_with_the_orders(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed.route(routed.destination("SURGERY"), content=Content.NOTES)
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE))

    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(FeedPosition, "write", kill)
        with pytest.raises(KeyboardInterrupt):
            routed.step()
    assert routed.ordered() == []

    routed.step()
    assert len(routed.ordered()) == 1


@pytest.mark.parametrize(
    ("options", "acts_on"),
    [
        pytest.param({}, True, id="no condition"),
        pytest.param({"titles": (Title(OF_INTEREST.value),)}, True, id="its title"),
        pytest.param({"titles": (SURGERY,)}, False, id="another title"),
        pytest.param({"titles": (Title(OF_INTEREST.value, "99X"),)}, False, id="another scheme"),
        pytest.param({"modalities": ("US", "XA")}, True, id="one of its modalities"),
        pytest.param({"modalities": ("MR",)}, False, id="another modality"),
        pytest.param({"sop_classes": (sample_studies.ULTRASOUND,)}, True, id="one of its classes"),
        pytest.param({"sop_classes": ("1.2.3",)}, False, id="another class"),
        pytest.param({"note_origins": ("authored",)}, True, id="its origin"),
        pytest.param({"note_origins": ("received",)}, False, id="another origin"),
        pytest.param({"patients": ("P1",)}, True, id="its patient"),
        pytest.param({"patients": ("P2",)}, False, id="another patient"),
        pytest.param({"studies": (FIRST,)}, True, id="its study"),
        pytest.param({"studies": (SECOND,)}, False, id="another study"),
        pytest.param({"sources": ("MODALITY",)}, False, id="made here, not sent"),
        pytest.param({"oldest_days": 73_000}, True, id="not too old"),
        pytest.param({"youngest_days": 72_000}, False, id="not old enough"),
        pytest.param({"has_notes": True}, True, id="with notes"),
        pytest.param({"titles": (Title(OF_INTEREST.value),), "modalities": ("MR",)}, False, id="one of two"),
    ],
)
def test_all_conditions_must_hold(routed: Routed, options: dict[str, Any], acts_on: bool) -> None:
    routed.route(routed.destination("STATION"), content=Content.NOTES, **options)
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()

    assert bool(routed.ordered()) is acts_on


def test_a_received_note_is_told_by_who_sent_it(routed: Routed) -> None:
    station = routed.destination("STATION")
    routed.route(station, Trigger.NOTE_RECEIVED, sources=("ELSEWHERE",), content=Content.NOTES)
    routed.came_from("ELSEWHERE", sample_studies.key_object("1.2.1.9.1", IMAGE))
    routed.came_from("SOMEBODY", sample_studies.key_object("1.2.1.9.2", IMAGE_2))
    routed.step()

    assert routed.ordered() == [("STATION", frozenset({"1.2.1.9.1"}))]


def test_nothing_goes_back_to_where_it_came_from(routed: Routed) -> None:
    """Two Kinotes that route to each other: what one sent, the other does not send back."""
    routed.route(routed.destination("OTHER-KINOTE"), Trigger.NOTE_RECEIVED, content=Content.KEY_IMAGES)
    image = sample_studies.dataset(sample_studies.object_of("1.3.1.1.9"))
    routed.came_from("OTHER-KINOTE", image, sample_studies.key_object("1.3.1.9.1", "1.3.1.1.9", patient="P2"))
    routed.step()

    assert routed.ordered() == []


def test_nothing_goes_where_the_ledger_or_another_delivery_has_it(routed: Routed) -> None:
    station = routed.destination("STATION")
    routed.route(station, content=Content.KEY_IMAGES)
    first = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()
    second = sample_studies.made(routed.catalog, sample_studies.request(IMAGE, IMAGE_2))
    routed.step()

    # The image that both flag is on its way: new objects go with the next delivery.
    assert routed.ordered() == [
        ("STATION", documents(first) | {IMAGE}),
        ("STATION", documents(second) | {IMAGE_2}),
    ]


def test_what_was_not_live_when_its_turn_came_is_ordered_again(routed: Routed) -> None:
    """It was skipped. Once the delivery has ended, nothing of it is on its way any more."""
    station = routed.destination("STATION")
    routed.route(station, content=Content.KEY_IMAGES)
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()
    routed.listed(skipped=IMAGE)
    second = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()
    assert routed.ordered()[1:] == [("STATION", documents(second) | {IMAGE})]

    assert routed.on_its_way() == 3
    routed.end_deliveries()
    assert routed.on_its_way() == 2


def test_a_study_of_which_it_is_in_doubt_whose_it_is_is_left_out_with_the_reason(routed: Routed) -> None:
    routed.route(routed.destination("STATION"), content=Content.NOTES)
    # A copy of one of its images names another patient, and is held.
    sample_studies.receive(
        routed.catalog, sample_studies.dataset(sample_studies.object_of(IMAGE, PatientID="P9"))
    )
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()

    assert routed.ordered() == []
    assert routed.results() == [("note made", "left out", 0)]


def test_a_revision_goes_with_its_new_document(routed: Routed) -> None:
    routed.route(routed.destination("STATION"), Trigger.NOTE_REVISED, content=Content.NOTES)
    note = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    number = note.id
    assert number is not None
    routed.step()
    assert routed.ordered() == []
    routed.catalog.write(
        lambda transaction: revise(
            transaction,
            number,
            sample_studies.request(IMAGE, description="Two"),
            expected_version=1,
            by=ROE,
            now=sample_studies.NOW,
        )
    )
    routed.step()

    assert routed.ordered() == [("STATION", documents(sample_studies.read(routed.catalog, number)))]


def test_a_study_goes_once_it_has_been_quiet(routed: Routed) -> None:
    routed.route(routed.destination("TEACHING"), Trigger.STUDY_QUIET, has_notes=True)
    routed.objects_came(sample_studies.object_of("1.2.1.1.7"), sample_studies.object_of("1.2.2.1.7"))
    routed.step()
    assert routed.ordered() == []
    note = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.pass_time()
    routed.step()

    # Only the study with key images goes, whole.
    ((name, objects),) = routed.ordered()
    assert name == "TEACHING"
    assert objects > documents(note) | {IMAGE, "1.2.1.1.7"}
    assert not any(uid.startswith("1.2.2.") for uid in objects)
    routed.step()
    assert len(routed.ordered()) == 1


def test_each_object_prolongs_the_wait_but_not_for_ever(routed: Routed) -> None:
    routed.route(routed.destination("TEACHING"), Trigger.STUDY_QUIET, quiet_seconds=60)
    seen = []
    for number in range(3):
        routed.objects_came(sample_studies.object_of(f"1.2.1.1.{number + 10}"))
        routed.step()
        with routed.catalog.read() as connection:
            seen.append(rows.next_due(connection))
    assert None not in seen and seen == sorted(seen, key=str)


def test_a_route_in_training_only_records(routed: Routed) -> None:
    route = routed.route(routed.destination("STATION"), is_training=True, content=Content.KEY_IMAGES)
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()
    assert (routed.ordered(), routed.results()) == ([], [("note made", "would order", 2)])

    def switch_on(transaction: Connection) -> None:
        from dataclasses import replace

        wanted = replace(route.wanted, is_training=False)
        acts.change_route(transaction, route.id, wanted, clock(), expected_version=1, by=ROE)

    routed.catalog.write(switch_on)
    note = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()
    assert routed.ordered() == [("STATION", documents(note) | {IMAGE})]


def test_a_route_does_not_act_on_what_was_before_it(routed: Routed) -> None:
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
    routed.step()
    routed.route(routed.destination("STATION"))
    routed.step()
    assert routed.ordered() == []


def test_law_5_a_route_that_fails_harms_nobody_and_says_so(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = routed.route(routed.destination("BROKEN"), name="Broken", content=Content.NOTES)
    routed.route(routed.destination("STATION"), name="Sound", content=Content.NOTES)
    orders: Callable[..., Any] = ordering.order

    def order(transaction: Connection, destination: int, *given: Any, **options: Any) -> Any:
        ordered = orders(transaction, destination, *given, **options)
        if options["cause"] == broken.cause:
            raise ZeroDivisionError("it is broken")
        return ordered

    with monkeypatch.context() as breaking:
        breaking.setattr(acting, "order", order)
        note = sample_studies.made(routed.catalog, sample_studies.request(IMAGE))
        routed.step()
    assert routed.ordered() == [("STATION", documents(note))]
    assert routed.read(broken).failure == "it is broken"
    assert ("note made", "failed", 0) in routed.results()

    # It acts again on the next note, and the failure is over.
    sample_studies.made(routed.catalog, sample_studies.request(IMAGE_2))
    routed.step()
    assert routed.read(broken).failure == ""


def test_law_5_intake_does_not_notice_a_route_that_fails(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed.route(routed.destination("STATION"), Trigger.NOTE_RECEIVED)

    def fail(*_: Any) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(acting, "holds", fail)
    (outcome,) = sample_studies.receive(routed.catalog, sample_studies.key_object("1.2.1.9.1", IMAGE))
    routed.step()
    assert outcome.kind == "stored"
    assert [each[1] for each in routed.results()] == ["failed"]


def test_a_route_whose_destination_has_ended_fails_by_name(routed: Routed) -> None:
    route = routed.route(routed.destination("GONE"))
    routed.end_peer("GONE")
    sample_studies.made(routed.catalog, sample_studies.request(OTHER_IMAGE))
    routed.step()
    assert "has been removed" in routed.read(route).failure


def test_occasions_of_one_page_are_told_once() -> None:
    from kinote.catalog.changes import Change, Kind

    happened = [
        Change(Kind.NOTE_MADE, FIRST, note=1),
        Change(Kind.NOTE_MADE, FIRST, note=1),
        Change("something later versions say", FIRST, note=1),
        Change(Kind.MANIFEST_REGISTERED, FIRST, note=2),
    ]
    assert list(following.occasions(happened)) == [Occasion(Trigger.NOTE_MADE, FIRST, 1)]


def test_without_a_route_nothing_is_written(database_url: str) -> None:
    held: list[float] = []
    catalog = Catalog(CatalogOptions(database_url), observe_background=held.append)
    try:
        routed = filled(catalog)
        sample_studies.made(catalog, sample_studies.request(IMAGE))
        routed.step()
        assert held == []
        # The first route acts on what happens after it was added, also if nobody has looked since.
        route = routed.route(routed.destination("STATION"), content=Content.NOTES)
        note = sample_studies.made(catalog, sample_studies.request(IMAGE))
        RouteFollower(catalog, clock).step()
        assert routed.ordered() == [("STATION", documents(note))]
        written = len(held)
        assert written > 0
        # What happens while it is disabled is not made up for.
        routed.enable(route, False)
        sample_studies.made(catalog, sample_studies.request(IMAGE))
        routed.step()
        assert len(held) == written
        routed.enable(route, True)
        routed.step()
        assert len(routed.ordered()) == 1
    finally:
        catalog.close()


def test_law_5_routes_hold_a_writer_for_a_bounded_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[float] = []
    seconds = [1000.0]
    catalog = Catalog(CatalogOptions(database_url), steady=lambda: seconds[0], observe_background=held.append)

    def slow(*given: Any) -> None:
        seconds[0] += 0.02
        act(*given)

    monkeypatch.setattr(following, "act", slow)
    try:
        routed = filled(catalog)
        to = routed.destination("STATION")
        routed.route(to, content=Content.NOTES)
        routed.route(to, Trigger.STUDY_QUIET, name="Quiet", content=Content.NOTES)
        notes = [sample_studies.made(catalog, sample_studies.request(IMAGE)) for _ in range(7)]
        routed.objects_came(*(sample_studies.object_of(f"1.2.{study}.1.7") for study in (1, 2, 3, 4, 5)))
        routed.step()
        assert [objects for _, objects in routed.ordered()] == [documents(note) for note in notes]
        waits = len(held)
        assert waits >= 4
        routed.pass_time()
        routed.step()
        assert len(held) > waits
        assert max(held) <= HELD_AT_MOST
        with catalog.read() as connection:
            assert rows.next_due(connection) is None
    finally:
        catalog.close()
