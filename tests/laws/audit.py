"""The audit of the product: every way out, every count and every byte, beside what the model says.

Each `hold_law_N` raises AssertionError where the product breaks that law; breaches in `test_law_*` show that
it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kinote.catalog.schema.live import live_instance
from kinote.catalog.transactions import catalog as catalog_module
from kinote.lifecycle import counts
from kinote.notes import belonging
from kinote.storage.digests import digest_of
from tests.laws.acts import Acts
from tests.laws.arrivals import KEY_OBJECT, STUDIES, data_set
from tests.laws.model import NO_MARKS, Kept, Model, Note, key_objects
from tests.laws.product import Json, Product

SOP_INSTANCE, SERIES, STUDY = "00080018", "0020000E", "0020000D"
SERIES_OF_STUDY, INSTANCES_OF_STUDY, INSTANCES_OF_SERIES = "00201206", "00201208", "00201209"

AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def value(item: Json, tag: str) -> Any:
    return item[tag]["Value"][0]


def uids(items: Iterable[Json] | None) -> list[str]:
    """The instances that a DICOM JSON answer names, each as often as it does."""
    return sorted(value(item, SOP_INSTANCE) for item in items or ())


def in_parts(product: Product, path: str) -> list[bytes]:
    """The files of a multipart answer; none for 404."""
    answer = product.client.get(path, headers=AS_STORED)
    if answer.status_code == 404:
        return []
    assert answer.status_code == 200
    boundary = answer.headers["content-type"].rpartition("boundary=")[2].strip('"')
    parts = answer.content.split(b"--" + boundary.encode())[1:-1]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]


# --- law 1: one view ------------------------------------------------------------------------------

#: Ways out of a study, by name: each gives the UIDs of all instances that it shows of one.
Way = Callable[[Product, str], list[str]]


def _source(product: Product, study: str) -> list[str]:
    with product.catalog.read() as connection:
        return sorted(item.sop_instance_uid for item in product.door.find(connection, study))


def _viewer(product: Product, study: str) -> list[str]:
    found = product.get(f"/api/v1/studies/{study}") or {"series": []}
    return sorted(item["sop_instance_uid"] for series in found["series"] for item in series["instances"])


def _retrieved(product: Product, study: str) -> list[str]:
    # Where the UID stands in the file meta information (PS3.10 7.1), whatever is in the data set.
    return sorted(_media_uid(file) for file in in_parts(product, f"/dicomweb/studies/{study}"))


def _media_uid(file: bytes) -> str:
    at = file.index(b"\x02\x00\x03\x00UI")
    return file[at + 8 : at + 8 + int.from_bytes(file[at + 6 : at + 8], "little")].decode().rstrip("\0")


def _account(product: Product, study: str) -> list[str]:
    found = product.get(f"/api/v1/studies/{study}/account")
    return sorted(
        found["by_standing"].get("live", {"sop_instance_uids": []})["sop_instance_uids"] if found else []
    )


WAYS_OUT_OF_A_STUDY: dict[str, Way] = {
    "the source of delivery": _source,
    "the viewer's study": _viewer,
    "QIDO-RS": lambda product, study: uids(product.get(f"/dicomweb/studies/{study}/instances")),
    "WADO-RS": _retrieved,
    "WADO-RS metadata": lambda product, study: uids(product.get(f"/dicomweb/studies/{study}/metadata")),
    "the account": _account,
}


def hold_law_1(acts: Acts, studies: Collection[str] = STUDIES) -> None:
    """Everything live is shown, counted and given out; nothing else is, by any way out.

    The ways out of a single study are gone through for these studies, those of all studies together always.
    """
    product, model = acts.product, acts.model
    with product.catalog.read() as connection:
        view = sorted(row.sop_instance_uid for row in connection.execute(live_instance.select()))
        assert counts.differences(connection) == []
        assert belonging.differences(connection) == []
    assert view == sorted(each.uid for each in model.live())
    for study in studies:
        ought = sorted(each.uid for each in model.live(study))
        for name, way in WAYS_OUT_OF_A_STUDY.items():
            assert way(product, study) == ought, f"{name} of study {study}"
    _hold_searches(product, model)
    _hold_counts(product, model)
    _hold_notes(product, model, studies)
    _hold_held(product, model)


def _hold_searches(product: Product, model: Model) -> None:
    """Searches through all studies find what is live."""
    assert uids(product.get("/dicomweb/instances")) == sorted(each.uid for each in model.live())
    documents = sorted(each.uid for each in key_objects(model.live()))
    assert uids(product.get("/dicomweb/instances", SOPClassUID=KEY_OBJECT)) == documents
    unclear = [item["sop_instance_uid"] for item in product.items("findings", severity="error")]
    assert sorted(unclear) == sorted(each.uid for each in model.live() if each.broken)


def _hold_counts(product: Product, model: Model) -> None:
    """Every count of every answer is what going through everything counts."""
    by_study = Counter(each.study for each in model.live())
    by_series = Counter((each.study, each.series) for each in model.live())
    series = Counter(study for study, _ in by_series)
    assert {
        value(item, STUDY): (value(item, SERIES_OF_STUDY), value(item, INSTANCES_OF_STUDY))
        for item in product.get("/dicomweb/studies")
    } == {study: (series[study], by_study[study]) for study in by_study}
    assert {
        (value(item, STUDY), value(item, SERIES)): value(item, INSTANCES_OF_SERIES)
        for item in product.get("/dicomweb/series")
    } == by_series
    listed = {item["study_instance_uid"]: item for item in product.items("studies")}
    assert {
        uid: (item["series_count"], item["instance_count"], item["note_count"])
        for uid, item in listed.items()
    } == {study: (series[study], by_study[study], len(model.marks_of_study(study))) for study in by_study}
    _hold_stored_counters(product, by_study, by_series)


def _hold_stored_counters(
    product: Product, by_study: Counter[str], by_series: Counter[tuple[str, str]]
) -> None:
    """The counters in the tables, of all studies and series that there ever were."""
    for row in product.rows("SELECT study_instance_uid, instance_count FROM study"):
        assert row.instance_count == by_study[row.study_instance_uid], row
    for row in product.rows(
        "SELECT t.study_instance_uid, s.series_instance_uid, s.instance_count "
        "FROM series s JOIN study t ON t.id = s.study"
    ):
        assert row.instance_count == by_series[row.study_instance_uid, row.series_instance_uid], row


def _hold_notes(product: Product, model: Model, studies: Collection[str]) -> None:
    """Notes are shown where a live document carries them, and with what the index knows now."""
    found = product.items("notes")
    assert found == sorted(found, key=lambda item: -item["id"])
    _agree(found, model, model.marks())
    for study in studies:
        shown = product.items(f"studies/{study}/notes")
        placeholders = [each for each in shown if each["title"] is None]
        assert sorted(each["key_objects"][0]["sop_instance_uid"] for each in placeholders) == sorted(
            model.placeholders(study)
        )
        _agree([each for each in shown if each["title"]], model, model.marks_of_study(study))
        everything = [each for each in product.items(f"studies/{study}/notes", all="true") if each["title"]]
        _agree(everything, model, model.everything_of_study(study), everything=True)


def _agree(shown: list[Json], model: Model, ought: list[Note], *, everything: bool = False) -> None:
    assert sorted(item["id"] for item in shown) == sorted(note.number for note in ought)
    for item in shown:
        hold_note(item, model, everything=everything)


def hold_note(item: Json, model: Model, *, everything: bool = False) -> None:
    """A note as it is shown, beside the model's."""
    note = model.notes[item["id"]]
    version = note.current
    assert (item["version"], item["origin"]) == (len(note.versions), note.origin)
    assert item["standing"] == ("live" if model.carriers(note) else "withdrawn")
    if version.kind not in NO_MARKS:
        assert item["description"] == version.text
    assert [
        (each["sop_instance_uid"], each["study_instance_uid"], each["status"]) for each in item["references"]
    ] == [
        (flag.uid, model.lies_in(flag), model.status(flag, note))
        for flag in version.flags
        if everything or not model.is_foreign(flag, note)
    ]
    documents = {each["sop_instance_uid"]: each["study_instance_uid"] for each in item["key_objects"]}
    assert documents == {uid: model.objects[uid].study for uid in version.documents}


def _hold_held(product: Product, model: Model) -> None:
    """The administrator's list has every held copy; whose way out is its own."""
    listed = product.items("held")
    assert Counter((item["sop_instance_uid"], item["study_instance_uid"]) for item in listed) == Counter(
        (each.uid, each.study) for each in model.held
    )


@contextmanager
def hold_counters(acts: Acts) -> Iterator[None]:
    """Stored counters are what the live view counts after every commit in the block, before anybody is told."""
    settle = catalog_module._settle
    looked: list[list[str]] = []

    def look_first(*piece: Any) -> None:
        with acts.product.catalog.read() as connection:
            looked.append(counts.differences(connection))
        settle(*piece)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalog_module, "_settle", look_first)
        yield
    assert looked
    assert not any(looked), "a counter was not changed in the transaction that changed the view"


def hold_instance(acts: Acts, uid: str) -> None:
    """All ways to one instance: there if it is live, unknown if it is not."""
    product, model = acts.product, acts.model
    kept = model.objects[uid]
    is_live = not model.is_withdrawn(uid)
    series = f"/dicomweb/studies/{kept.study}/series/{kept.series}"
    address = f"{series}/instances/{uid}"
    ought = [uid] if is_live else []
    with product.catalog.read() as connection:
        found = product.door.find_instance(connection, uid)
    assert ([found.sop_instance_uid] if found else []) == ought
    assert uids(product.get("/dicomweb/instances", SOPInstanceUID=uid)) == ought
    assert uids(product.get(f"{address}/metadata")) == ought
    assert [_media_uid(file) for file in in_parts(product, address)] == ought
    in_series = sorted(each.uid for each in model.live(kept.study) if each.series == kept.series)
    assert sorted(map(_media_uid, in_parts(product, series))) == in_series
    assert uids(product.get(f"{series}/instances")) == in_series
    if not is_live:
        for more in ("frames/1", "rendered", "thumbnail", "frames/1/rendered", "bulkdata/7FE00010"):
            assert product.client.get(f"{address}/{more}").status_code == 404, f"{more} of {uid}"
    _hold_explanation(product, model, uid)
    shown = product.items(f"instances/{uid}/notes")
    _agree(shown, model, model.marks_of_instance(uid))


def _hold_explanation(product: Product, model: Model, uid: str) -> None:
    first, *others = product.items(f"instances/{uid}/explain")
    ought = model.standing(uid)
    assert (first["standing"], first["visible"], first["residence"]) == (ought, ought == "live", "local")
    assert [each["standing"] for each in others] == ["held"] * sum(each.uid == uid for each in model.held)


# --- law 4: withdrawal is one transaction ----------------------------------------------------------


def hold_law_4(acts: Acts) -> None:
    """Standing, withdrawal, reason and rejection note tell the same story."""
    product, model = acts.product, acts.model
    standing = {
        row.uid: row.standing
        for row in product.rows(
            "SELECT sop_instance_uid AS uid, standing FROM instance WHERE standing <> 'held'"
        )
    }
    assert standing == {uid: model.standing(uid) for uid in model.objects}
    stored: dict[int, Any] = {}
    targets: dict[int, set[str]] = {}
    for row in product.rows(
        "SELECT w.*, t.sop_instance_uid AS target FROM withdrawal w "
        "JOIN withdrawal_target t ON t.withdrawal = w.id "
        # Rejection notes that came in wait for a person here: none of their senders may reject.
        "WHERE w.effect <> 'proposed'"
    ):
        assert row.reason_value
        assert row.who
        stored[row.id] = row
        targets.setdefault(row.id, set()).add(row.target)
    notes: dict[int, set[str]] = {key: set() for key in stored}
    for row in product.rows("SELECT withdrawal, sop_instance_uid AS uid FROM rejection_note"):
        notes.setdefault(row.withdrawal, set()).add(row.uid)
    assert Counter(
        (frozenset(targets[key]), frozenset(notes[key]), row.undone_at is not None)
        for key, row in stored.items()
    ) == Counter((each.uids, each.rejection_notes, each.undone) for each in model.withdrawals)
    for key, row in stored.items():
        assert row.closed_at is not None or not notes[key] & model.objects.keys(), "told before its time"
        assert row.rejection_note_uid in (notes[key] & model.objects.keys() or {""})


# --- law 7: nothing is lost, nothing is altered ----------------------------------------------------


def hold_law_7(acts: Acts, studies: Collection[str] = STUDIES) -> None:
    """Every object that was taken or made is kept as it came, and comes out as it came."""
    product, model = acts.product, acts.model
    lying = product.stored_bytes()
    rows = product.rows(
        "SELECT i.id, i.sop_instance_uid AS uid, i.standing, i.transfer_syntax_uid AS syntax, "
        "t.study_instance_uid AS study FROM instance i JOIN study t ON t.id = i.study"
    )
    there = Counter((row.uid, row.study, row.standing == "held", row.syntax, lying[row.id]) for row in rows)
    ought = Counter(_as_kept(each, held=False) for each in model.objects.values())
    ought.update(_as_kept(each, held=True) for each in model.held)
    assert there == ought, "not everything is kept as it came"
    for study in studies:
        out = Counter(data_set(file) for file in in_parts(product, f"/dicomweb/studies/{study}"))
        assert out == Counter(each.dataset for each in model.live(study)), f"study {study} comes out altered"
    for item in product.items("held"):
        file = product.client.get(f"/api/v1/held/{item['id']}/file").content
        assert data_set(file) in {each.dataset for each in model.held if each.uid == item["sop_instance_uid"]}


def _as_kept(kept: Kept, *, held: bool) -> tuple[str, str, bool, str, bytes]:
    return (kept.uid, kept.study, held, kept.transfer_syntax, kept.dataset)


# --- law 8: rows and bytes agree -------------------------------------------------------------------


def hold_law_8(acts: Acts) -> None:
    """No row without its bytes, no bytes without a row, and each row says what they are."""
    product = acts.product
    lying = product.stored_bytes()
    rows = product.rows("SELECT id, store, file_key, digest, digest_algorithm, size, residence FROM instance")
    for row in rows:
        assert row.residence == "local"
        assert (row.digest, row.size) == (
            digest_of(lying[row.id], row.digest_algorithm).root,
            len(lying[row.id]),
        )
    assert product.places() == {(row.store, row.file_key) for row in rows if row.file_key}
    for table in ("instance_bytes", "instance_metadata", "instance_pieces", "finding", "key_object"):
        orphans = product.rows(
            f"SELECT instance FROM {table} WHERE instance NOT IN (SELECT id FROM instance)"  # noqa: S608
        )
        assert orphans == [], table


# --- the change feed -------------------------------------------------------------------------------


def hold_feed(acts: Acts) -> None:
    """Read anew and in small pages, the feed is what it was while it grew: in order, nothing left out."""
    again = acts.product.changes(limit=7)
    assert again == acts.feed
    positions = [tuple(map(int, each.position.split("-"))) for each in again]
    assert positions == sorted(set(positions))


def hold_all(acts: Acts, studies: Collection[str] = STUDIES) -> None:
    """All laws, as far as they can be seen in what the product holds and shows."""
    hold_law_1(acts, studies)
    hold_law_4(acts)
    hold_law_7(acts, studies)
    hold_law_8(acts)
