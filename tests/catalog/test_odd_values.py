"""Values of keys as no reasonable client sends them: matched or refused, on either database, never a fault."""

from __future__ import annotations

import pytest

from kinote.catalog.catalog import Catalog
from kinote.catalog.conditions import InvalidKeyError
from kinote.catalog.matching import Query, search
from kinote.catalog.matching_keys import MATCHED, Level
from tests.catalog.archive import data_set, store

ODD = (
    *("[", "[a-z]*", "%", "_", "\\", "\\\\", "*?*", "-", "--", "'", '"', '""', "=", "^", "==="),
    *("9" * 18, "-1", "+0", "2147483648", "99999999", "235960", "a\0b", "\0", "\ufffe", "\U0010ffff*"),
    *("*" * 1000, "a*" * 500, "a " * 500, "?" * 1000, "\\".join("a*" for _ in range(200))),
    *("00000101-99991231", "0000-9999", "00010101000000+1400-", "99991231235959-1200"),
)


@pytest.mark.parametrize("fuzzy", [False, True])
def test_odd_values_are_matched_or_refused(catalog: Catalog, fuzzy: bool) -> None:
    store(catalog, data_set("1.1", "1.1.1", "1.1.1.1", PatientName="Doe^Jane", StudyDate="20240101"))
    with catalog.read() as connection:
        for path in MATCHED:
            for value in ODD:
                query = Query(Level.INSTANCE, keys={path: value}, fuzzy=fuzzy)
                try:
                    search(connection, query)
                except InvalidKeyError:
                    continue
                except Exception as fault:
                    raise AssertionError(f"{path} {value[:40]!r}") from fault
