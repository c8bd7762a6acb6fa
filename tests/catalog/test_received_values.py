"""What was received where something else holds now."""

from __future__ import annotations

from sqlalchemy import Connection, select

from kinote.catalog.instances.received_values import ReceivedValue, received_values
from kinote.catalog.schema.tables import received_value, study
from kinote.catalog.transactions.catalog import Catalog
from tests.catalog.archive import data_set, store


def test_what_a_correction_takes_the_place_of_is_kept(catalog: Catalog) -> None:
    store(catalog, data_set("1.1", "1.1.1", "1.1.1.1", PatientID="P1", AccessionNumber="A1"))
    store(catalog, data_set("1.2", "1.2.1", "1.2.1.1", PatientID="P1", AccessionNumber="A2"))

    def correct(transaction: Connection) -> int:
        key: int = transaction.execute(
            study.update()
            .where(study.c.study_instance_uid == "1.1")
            .values(accession_number="A7")
            .returning(study.c.id)
        ).scalar_one()
        kept = {"AccessionNumber": "A1", "StudyInstanceUID": "1.1.0"}
        transaction.execute(
            received_value.insert(),
            [{"level": "study", "key": key, "attribute": name, "value": kept[name]} for name in kept],
        )
        return key

    key = catalog.write(correct)
    with catalog.read() as connection:
        keys = connection.execute(select(study.c.id)).scalars().all()
        assert received_values(connection, "study", keys) == {
            key: [
                ReceivedValue("AccessionNumber", "A1", "", "", "CORRECT"),
                ReceivedValue("StudyInstanceUID", "1.1.0", "", "", "CORRECT"),
            ]
        }
        assert received_values(connection, "series", keys) == {}
