"""A small archive for tests of the index: data sets made with pydicom, put in as intake does it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import Connection

from kinote.catalog.instances.entries import InsertedInstance, Placed, insert_entries
from kinote.catalog.instances.entry import InstanceEntry, entry_of
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle import counts
from kinote.storage.digests import digest_of
from tests.actors import ORIGIN
from tests.walked import walked

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def data_set(study: str, series: str, instance: str, **attributes: Any) -> Dataset:
    """A CT instance; attributes by keyword, a sequence as a list of dictionaries."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = CT
    made.SOPInstanceUID = instance
    made.StudyInstanceUID = study
    made.SeriesInstanceUID = series
    made.Modality = "CT"
    _fill(made, attributes)
    return made


def _fill(made: Dataset, attributes: dict[str, Any]) -> None:
    for keyword, value in attributes.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            items = [Dataset() for _ in value]
            for item, content in zip(items, value, strict=True):
                _fill(item, content)
            setattr(made, keyword, items)
        else:
            setattr(made, keyword, value)


def entry(made: Dataset) -> InstanceEntry:
    buffer = io.BytesIO()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta = meta
    dcmwrite(buffer, made, enforce_file_format=True)
    scanned, data = walked(buffer.getvalue())
    return entry_of(
        scanned.dataset,
        transfer_syntax_uid=scanned.transfer_syntax,
        digest=digest_of(data),
        size=scanned.size,
        origin=ORIGIN.columns(),
        now=NOW,
    )


def keep(
    transaction: Connection, data_sets: list[Dataset], *, standing: str = "live"
) -> list[InsertedInstance]:
    """Put data sets into the index, with their counters."""
    return keep_each(transaction, [(made, standing) for made in data_sets])


def keep_each(transaction: Connection, data_sets: list[tuple[Dataset, str]]) -> list[InsertedInstance]:
    """The same, each with its standing."""
    inserted = insert_entries(
        transaction, [(entry(made), Placed(standing, dataset=b"")) for made, standing in data_sets]
    )
    deltas: dict[tuple[int, int], int] = {}
    for each, (_, standing) in zip(inserted, data_sets, strict=True):
        if standing == "live":
            place = (each.study, each.series)
            deltas[place] = deltas.get(place, 0) + 1
    counts.add(transaction, deltas)
    return inserted


def store(catalog: Catalog, *data_sets: Dataset, standing: str = "live") -> list[InsertedInstance]:
    return catalog.write(lambda transaction: keep(transaction, list(data_sets), standing=standing))
