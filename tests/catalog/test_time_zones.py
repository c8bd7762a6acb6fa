"""Study dates and times asked in another time zone than they were received in (PS3.4 C.2.2.2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import Query, ignored_keys, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.schema.tables import study
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.dicom.values import dates
from tests.catalog.archive import data_set, store
from tests.catalog.test_moments import ends, span
from tests.scale import SCALE

ZONES = ("", "+0000", "+0100", "-0500", "+0545", "+1400", "-1200", "nowhere")
DAYS = ("", "20231231", "20240101", "20240102")
TIMES = ("", "000000", "013000", "120000.5", "235959")

#: Studies of all these; their UIDs say which.
STUDIES = {
    f"1.{day}.{clock}.{zone}": (DAYS[day], TIMES[clock], ZONES[zone])
    for day in range(len(DAYS))
    for clock in range(len(TIMES))
    for zone in range(len(ZONES))
}

Row = tuple[str, str, str]


def fill(catalog: Catalog) -> Catalog:
    store(
        catalog,
        *(
            data_set(uid, f"{uid}.1", f"{uid}.1.1", StudyDate=day, StudyTime=time, TimezoneOffsetFromUTC=zone)
            for uid, (day, time, zone) in STUDIES.items()
        ),
    )
    return catalog


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """One archive that many examples ask."""
    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path_factory.mktemp('zones') / 'kinote.db'}"))
    yield fill(catalog)
    catalog.close()


def found(catalog: Catalog, days: str, times: str, zone: str, *, combined: bool = True) -> set[Row]:
    written = {"StudyDate": days, "StudyTime": times, "TimezoneOffsetFromUTC": zone}
    keys = {path_of(name): value for name, value in written.items()}
    with catalog.read() as connection:
        answers = search(connection, Query(Level.STUDY, keys=keys, combined=combined, limit=500))
    return {STUDIES[each.study_instance_uid] for each in answers}


def seen_from(row: Row, zone: str) -> tuple[str, str]:
    """Day and time of a study by the clocks of another zone; as written where one of the two has none."""
    day, time, written = row
    its, asked = dates.parse_offset(written), dates.parse_offset(zone)
    if not (day and time and its and asked):
        return day, span(time)[0] if time else ""
    moment = datetime.strptime(day + span(time)[0], "%Y%m%d%H%M%S%f").replace(tzinfo=its).astimezone(asked)
    return f"{moment:%Y%m%d}", f"{moment:%H%M%S%f}"


def ought(days: str, times: str, zone: str, *, combined: bool = True) -> set[Row]:
    """By the words of the standard, one study after the other."""
    first_day, last_day, form_of_days = ends(days)
    first_time, last_time, form_of_times = ends(times)
    together = combined and any(form_of_days) and form_of_days == form_of_times
    begins, until = span(first_time)[0], span(last_time)[1]
    wanted = set()
    for row in STUDIES.values():
        day, time = seen_from(row, zone)
        if together:
            earliest, latest = time or "000000000000", time or "235959999999"
            after = not first_day or day + earliest >= first_day + begins
            before = not last_day or day + latest <= last_day + until
            fits = bool(day) and after and before
        else:
            in_days = not days or (bool(day) and first_day <= day and (not last_day or day <= last_day))
            in_times = not times or (bool(time) and begins <= time and (not last_time or time <= until))
            fits = in_days and in_times
        if fits:
            wanted.add(row)
    return wanted


CASES = [
    ("20240101", "", "+0100"),
    ("20240101", "", "-1200"),
    ("-20231231", "", "+1400"),
    ("20240101-", "", "+0545"),
    ("", "00-0130", "-0500"),
    ("", "2200-", "+0100"),
    ("", "-01", "+0000"),
    ("", "235959", "+0100"),
    ("20231231-20240101", "2300-0015", "+0100"),
    ("20240101-", "0030-", "-0500"),
    ("-20240101", "-0030", "+0100"),
    ("20240101", "00-12", "+0100"),
    ("20240101-20240102", "12-", "+0000"),
]


@pytest.mark.parametrize(("days", "times", "zone"), CASES)
def test_dates_and_times_in_the_zone_of_who_asks(catalog: Catalog, days: str, times: str, zone: str) -> None:
    fill(catalog)
    assert found(catalog, days, times, zone) == ought(days, times, zone) != set()


days = st.sampled_from(DAYS[1:])
clocks = st.sampled_from([*TIMES[1:], "00", "2330", "1200"])
ranges = st.sampled_from(["", "{0}", "{0}-{1}", "{0}-", "-{1}"])


@pytest.mark.soak
@settings(max_examples=SCALE.property_examples, deadline=None)
@given(
    st.lists(days, min_size=2, max_size=2).map(sorted),
    st.lists(clocks, min_size=2, max_size=2).map(sorted),
    ranges,
    ranges,
    st.integers(-48, 56),
    st.booleans(),
)
def test_any_ranges_in_any_zone(
    shared: Catalog,
    day: list[str],
    time: list[str],
    of_days: str,
    of_times: str,
    quarters: int,
    combined: bool,
) -> None:
    offset = timedelta(minutes=15 * abs(quarters))
    zone = f"{'-' if quarters < 0 else '+'}{offset.seconds // 3600:02}{offset.seconds // 60 % 60:02}"
    asked = of_days.format(*day), of_times.format(*time), zone
    assert found(shared, *asked, combined=combined) == ought(*asked, combined=combined)


def test_an_address_may_have_lost_the_plus(shared: Catalog) -> None:
    assert found(shared, "20240101", "", " 0100") == found(shared, "20240101", "", "+0100")


@pytest.mark.parametrize("zone", ["CET", "+01:00", "+1500", "-1230", "+0175"])
def test_what_is_no_zone_is_refused_by_name(shared: Catalog, zone: str) -> None:
    with pytest.raises(InvalidKeyError, match="00080201"):
        found(shared, "20240101", "", zone)


def test_the_zone_is_no_key_to_be_ignored() -> None:
    assert ignored_keys(Query(Level.STUDY, keys={path_of("TimezoneOffsetFromUTC"): "+0100"})) == ()


def test_without_a_zone_days_are_as_written(shared: Catalog) -> None:
    with_day = {row for row in STUDIES.values() if row[0] == "20240101"}
    assert found(shared, "20240101", "", "") == with_day


def test_an_offset_says_nothing_of_another_instances_time(catalog: Catalog) -> None:
    first = data_set("1.0.0.1", "1.1", "1.1.1", StudyDate="20240101", StudyTime="013000")
    store(catalog, first)
    store(
        catalog,
        data_set("1.0.0.1", "1.1", "1.1.2", StudyID="S", StudyDate="20240101", TimezoneOffsetFromUTC="+0100"),
    )
    with catalog.read() as connection:
        keys = {path_of("StudyDate"): "20240101", path_of("TimezoneOffsetFromUTC"): "-0500"}
        (answer,) = search(connection, Query(Level.STUDY, keys=keys))
    assert not [line for line in answer.lines if line.startswith('"00080201"') and "Value" in line]


def test_studies_of_every_offset_there_is(catalog: Catalog) -> None:
    minutes = range(-12 * 60, 14 * 60 + 1)
    zones = [f"{'-' if each < 0 else '+'}{abs(each) // 60:02}{abs(each) % 60:02}" for each in minutes]

    def work(transaction: Connection) -> None:
        (row,) = transaction.execute(select(study)).mappings().all()
        columns = {name: value for name, value in row.items() if name != "id"}
        transaction.execute(
            study.insert(),
            [
                {**columns, "study_instance_uid": f"1.2.{number}", "timezone_offset": zone}
                for number, zone in enumerate(zones)
            ],
        )

    store(catalog, data_set("1.1", "1.1.1", "1.1.1.1", StudyDate="20240101", StudyTime="120000"))
    catalog.write(work)
    keys = {path_of("StudyDate"): "20240102", path_of("TimezoneOffsetFromUTC"): "+0000"}
    with catalog.read() as connection:
        answers = search(connection, Query(Level.STUDY, keys=keys, limit=2000))
    # Noon of the first of January is the second in UTC where clocks are 12 hours behind.
    assert [each.study_instance_uid for each in answers] == ["1.2.0"]
