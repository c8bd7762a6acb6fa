"""Law 8: every key object made here has its bytes, and they are what its row says."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from kinote.catalog.instances.entries import Placed
from kinote.catalog.instances.headers import headers
from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, key_object
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.elements.dataset import scan
from kinote.dicom.json import from_elements
from kinote.notes.acts.revise import revise
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.creator import create
from kinote.storage.digests import digest_of
from tests.actors import ROE
from tests.notes.sample_studies import FRAMES, IMAGE, IMAGE_2, NOW, SECOND_IMAGE, flag, later, made, request


def work(catalog: Catalog) -> None:
    """Notes made, revised and withdrawn."""
    first = made(catalog, request(IMAGE, SECOND_IMAGE)).id
    second = made(catalog, request(flag(FRAMES, frames=(2,)), description="右")).id
    assert first is not None
    assert second is not None
    changed = request(IMAGE_2, description="Changed")
    catalog.write(lambda tx: revise(tx, first, changed, expected_version=1, now=later(NOW), by=ROE))
    catalog.write(lambda tx: withdraw_note(tx, second, text="", by=ROE, now=later(NOW)))


def hold_law_8(catalog: Catalog) -> int:
    """Compare the rows of all key objects with their bytes; gives how many there are."""
    query = (
        select(instance, instance_bytes.c.dataset, instance_metadata.c.json)
        .join(key_object, key_object.c.instance == instance.c.id)
        .outerjoin(instance_bytes, instance_bytes.c.instance == instance.c.id)
        .outerjoin(instance_metadata, instance_metadata.c.instance == instance.c.id)
    )
    with catalog.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        assert (row.residence, row.file_key) == ("local", None)
        assert row.dataset, f"{row.sop_instance_uid} has no bytes"
        assert (row.digest, row.size) == (digest_of(row.dataset).root, len(row.dataset))
        assert row.sop_instance_uid.encode() in bytes(row.dataset)
        assert row.json is None, "the header is kept beside the bytes that it is made of"
    live = {row.id: row for row in rows if row.standing == "live"}
    with catalog.read() as connection:
        found = headers(connection, list(live))
    assert found == {
        key: from_elements.metadata_json(scan(row.dataset, row.transfer_syntax_uid))
        for key, row in live.items()
    }
    return len(rows)


def test_law_8_rows_and_bytes_of_key_objects_agree(filled: Catalog) -> None:
    work(filled)
    # Two and one made, one made by the revision; two and one rejection notes.
    assert hold_law_8(filled) == 7


@pytest.mark.parametrize("dataset", [None, b"", b"something else"])
def test_breach_of_law_8_is_noticed(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch, dataset: bytes | None
) -> None:
    """Rows first, bytes some other time."""
    monkeypatch.setattr(create, "Placed", lambda **_: Placed(standing="live", dataset=dataset))
    work(filled)
    with pytest.raises(AssertionError):
        hold_law_8(filled)
