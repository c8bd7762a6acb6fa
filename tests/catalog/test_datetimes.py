"""Date Time values and ranges of them (PS3.4 C.2.2.2.5); a hyphen may be the sign of an offset."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.catalog.columns import datetimes
from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import Query, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.transactions.catalog import Catalog
from tests.catalog.archive import data_set, store


@pytest.fixture(autouse=True)
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine nine hours ahead: what has no offset is of there."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("20240105101530.25+0100", "20240105091530.250000", "20240105091530.259999"),
        ("20240105-0500", "20240105050000.000000", "20240106045959.999999"),
        ("20240105-0500-", "20240105050000.000000", ""),
        ("-20240105-0500", "", "20240106045959.999999"),
        ("20240105-0500-20240106-0500", "20240105050000.000000", "20240107045959.999999"),
        ("20240105+0100-20240106-0500", "20240104230000.000000", "20240107045959.999999"),
        ("20240105-0500 - 20240106", "20240105050000.000000", "20240106145959.999999"),
        ("20240105-20240106", "20240104150000.000000", "20240106145959.999999"),
        ("2023-2024", "20221231150000.000000", "20241231145959.999999"),
        ("2024-1200", "20240101120000.000000", "20250101115959.999999"),
        ("202402+0000", "20240201000000.000000", "20240229235959.999999"),
        ("202412+0000", "20241201000000.000000", "20241231235959.999999"),
        ("2024010510+0000-", "20240105100000.000000", ""),
        ("20161231235960+0000", "20161231235959.000000", "20161231235959.999999"),
    ],
)
def test_values_and_ranges(value: str, first: str, last: str) -> None:
    assert datetimes.moments(value, None) == (first, last)


@pytest.mark.parametrize(
    "value", ["-", "", "noon", "20240105-0560", "20240132", "20240105-1300x", "1-2", "2024-2025-26"]
)
def test_what_is_neither(catalog: Catalog, value: str) -> None:
    assert datetimes.moments(value, None) is None
    if value:
        with catalog.read() as connection, pytest.raises(InvalidKeyError, match="0040A032"):
            search(connection, Query(Level.INSTANCE, keys={path_of("ObservationDateTime"): value}))


offsets = st.integers(-48, 56).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
written_moments = st.builds(
    lambda moment, zone: (
        f"{moment:%Y%m%d%H%M%S.%f}{moment.replace(tzinfo=zone):%z}",
        moment.replace(tzinfo=zone),
    ),
    st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1)),  # noqa: DTZ001
    offsets,
)


@given(written_moments, written_moments, st.sampled_from(["{0}", "{0}-", "-{1}", "{0}-{1}", "{0} - {1}"]))
def test_any_range_is_the_moments_it_was_written_of(
    low: tuple[str, datetime], high: tuple[str, datetime], form: str
) -> None:
    first, last = (f"{each[1].astimezone(UTC):%Y%m%d%H%M%S.%f}" for each in (low, high))
    expected = (first if "0" in form else "", last if "1" in form else first if form == "{0}" else "")
    is_range = "0" not in form or "1" not in form or low[1] <= high[1]
    assert datetimes.moments(form.format(low[0], high[0]), None) == (expected if is_range else None)


def test_documents_by_when_they_were_observed(catalog: Catalog) -> None:
    observed = {
        "1": {"ObservationDateTime": "20240105100000+0100"},
        "2": {"ObservationDateTime": "20240105100000", "TimezoneOffsetFromUTC": "-0500"},
        "3": {"ObservationDateTime": "20240105100000"},
        "4": {},
    }
    store(catalog, *(data_set("1.1", "1.1.1", f"1.1.1.{key}", **said) for key, said in observed.items()))

    def found(**keys: str) -> str:
        query = Query(Level.INSTANCE, "1.1", keys={path_of(name): value for name, value in keys.items()})
        with catalog.read() as connection:
            return "".join(sorted((one.sop_instance_uid or "")[-1] for one in search(connection, query)))

    # In UTC: 9, 15 and 1 o'clock.
    assert found(ObservationDateTime="20240105+0000") == "123"
    assert found(ObservationDateTime="20240105090000+0000-") == "12"
    assert found(ObservationDateTime="20240104-0500") == "3"
    assert found(ObservationDateTime="20240104", TimezoneOffsetFromUTC="-0500") == "3"
    assert found(ObservationDateTime="2024010510") == "3"
    assert found(ObservationDateTime="-20240105040000-0500") == "13"
    assert found(ObservationDateTime='""') == "4"
