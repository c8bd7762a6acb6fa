"""Replaying the journal: what hides is done again, what shows is left to a person, whatever the index knows."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from kinote.backup.replaying import Replayed, replay
from kinote.catalog.schema.tables import withdrawal, withdrawal_target
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.holds.lists import page_of_holds
from tests.clock import clock
from tests.notes.sample_studies import IMAGE, fill, made, request

AT = "2026-11-30T12:00:00.000000+00:00"


def entry(
    number: int, kind: str, key: int | None = None, uids: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    return {
        "id": f"entry {number}",
        "kind": kind,
        "at": AT,
        "by": ["person", "Roe", ""],
        "withdrawal": key,
        "uids": list(uids),
        **more,
    }


def withdrawn(number: int, key: int, *uids: str, **more: Any) -> dict[str, Any]:
    said = {
        "act": "quality",
        "reason": ["DCM", "113001", "Rejected for Quality Reasons"],
        "text": "blurred",
        "rejection_note": "",
        "closes_at": AT,
        "is_closed": False,
        "effect": "hidden",
        "received": False,
        "of_key_objects": False,
        "spared": {},
        "copies": {},
    }
    return entry(number, "withdrawn", key, uids, **{**said, **more})


Target = tuple[int, str, str, str, bool]


def targets(catalog: Catalog) -> list[Target]:
    """Each UID with its withdrawal, act and effect, and whether it hides it."""
    with catalog.read() as connection:
        rows = connection.execute(
            select(withdrawal, withdrawal_target)
            .join(withdrawal_target, withdrawal_target.c.withdrawal == withdrawal.c.id)
            .order_by(withdrawal.c.id, withdrawal_target.c.sop_instance_uid)
        ).all()
    return [
        (row.id, row.sop_instance_uid, row.act, row.effect, row.undone_at is None and row.spared == "")
        for row in rows
    ]


CASES: list[tuple[str, list[dict[str, Any]], list[Target], list[str]]] = [
    (
        "both chunks of one withdrawal",
        [withdrawn(1, 7, "1.1"), withdrawn(2, 7, "1.2")],
        [(7, "1.1", "quality", "hidden", True), (7, "1.2", "quality", "hidden", True)],
        [],
    ),
    (
        "another with the same number",
        [withdrawn(1, 7, "1.1"), withdrawn(2, 7, "1.2", act="safety")],
        [(7, "1.1", "quality", "hidden", True), (8, "1.2", "safety", "hidden", True)],
        [],
    ),
    (
        "a withdrawal that was undone stays",
        [withdrawn(1, 7, "1.1"), entry(2, "withdrawal undone", 7)],
        [(7, "1.1", "quality", "hidden", True)],
        ["withdrawal undone"],
    ),
    (
        "a rejection that was accepted",
        [
            withdrawn(1, 7, "1.1", effect="proposed"),
            entry(2, "rejection accepted", 7, ("1.9",), effect="hidden"),
        ],
        [(7, "1.1", "quality", "hidden", True), (7, "1.9", "quality", "hidden", True)],
        [],
    ),
    (
        "one that was spared from the beginning, and one that is not any more",
        [
            withdrawn(1, 7, "1.1", "1.2", spared={"1.1": "another patient", "1.2": "another patient"}),
            entry(2, "no longer spared by a withdrawal", 7, ("1.2",), because="another patient"),
        ],
        [(7, "1.1", "quality", "hidden", False), (7, "1.2", "quality", "hidden", True)],
        [],
    ),
    (
        "a later copy that brought it back",
        [withdrawn(1, 7, "1.1"), entry(2, "spared by a withdrawal", 7, ("1.1",), because="restored")],
        [(7, "1.1", "quality", "hidden", True)],
        ["spared by a withdrawal"],
    ),
    (
        "a purge of what nothing hides",
        [withdrawn(1, 7, "1.1"), entry(2, "purged", None, ("1.1", "1.2"), digests={}, because={})],
        [(7, "1.1", "quality", "hidden", True), (8, "1.2", "after restore", "hidden", True)],
        [],
    ),
    (
        "a rejection that was accepted before it came, by a clock that was set back",
        [
            entry(2, "rejection accepted", 7, ("1.9",), effect="hidden"),
            withdrawn(1, 7, "1.1", effect="proposed"),
        ],
        [(7, "1.1", "quality", "hidden", True), (7, "1.9", "quality", "hidden", True)],
        [],
    ),
    *(
        (
            f"{kind} of a withdrawal that nobody knows",
            [entry(1, kind, 7, ("1.9",), effect="hidden", because="restored")],
            [(1, "1.9", "after restore", "hidden", True)],
            [kind],
        )
        for kind in ("rejection accepted", "no longer spared by a withdrawal", "left in force by a restore")
    ),
    (
        "a kind of a later version",
        [entry(1, "sealed", None, ("1.3",))],
        [(1, "1.3", "after restore", "hidden", True)],
        ["sealed"],
    ),
]


@pytest.mark.parametrize(
    ("entries", "said", "left"), [each[1:] for each in CASES], ids=[each[0] for each in CASES]
)
def test_what_hides_is_done_again(
    entries: list[dict[str, Any]], said: list[Target], left: list[str], catalog: Catalog
) -> None:
    found = replay(catalog, entries, clock())
    assert targets(catalog) == said
    assert [each["kind"] for each in found.left] == left
    # A second time there is nothing to do.
    assert replay(catalog, entries, clock()) == Replayed()
    assert targets(catalog) == said


def hold_entry(number: int, token: str, level: str, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "hold": token,
        "hold_kind": "legal",
        "level": level,
        "study": "",
        "patient_id": "",
        "issuer": "",
        "note": None,
        "reason": "A case is open",
        "until": "",
        "key_objects": [],
        "studies": [],
    }
    return entry(number, "hold placed", **{**said, **more})


def things(catalog: Catalog) -> list[str]:
    """What the holds in force are on."""
    with catalog.read() as connection:
        return sorted(
            str(each.thing) for each in page_of_holds(connection, with_ended=False, before=None, limit=99)
        )


def test_holds_are_placed_again_and_their_ends_are_left_to_a_person(catalog: Catalog) -> None:
    fill(catalog)
    note = made(catalog, request(IMAGE))
    assert note.id is not None
    documents = [carrier.sop_instance_uid for carrier in note.key_objects]
    entries = [
        hold_entry(1, "a", "study", study="1.2.9"),
        hold_entry(2, "b", "patient", patient_id="P7"),
        # Its number has become another one's.
        hold_entry(3, "c", "note", note=note.id + 5, key_objects=documents),
        # Nothing knows it any more: its studies are kept in its place.
        hold_entry(4, "d", "note", note=note.id, key_objects=["1.2.99"], studies=["1.5", "1.6"]),
        entry(5, "hold ended", hold="a", because="settled"),
    ]
    replayed = replay(catalog, entries, clock())
    assert things(catalog) == [f"note {note.id}", "patient P7", "study 1.2.9", "study 1.5", "study 1.6"]
    assert [each["kind"] for each in replayed.left] == ["hold placed", "hold ended"]
    assert replay(catalog, entries, clock()).left == []
    assert len(things(catalog)) == 5
