"""Ranges of a date and its time (PS3.4 C.2.2.2.5): one range of moments where both are of one form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import Query, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.catalog.archive import data_set, store
from tests.databases import new_sqlite_index
from tests.scale import SCALE

DAYS = ("", "20060704", "20060705", "20060706", "20060707")
TIMES = ("", "000000", "095959.999999", "10", "1000", "101530.5", "18", "1801", "235959", "235960")

#: Studies of all these days and times; their UIDs say which.
STUDIES = {f"1.{day}.{clock}": (DAYS[day], TIMES[clock]) for day in range(5) for clock in range(10)}


def fill(catalog: Catalog) -> Catalog:
    store(
        catalog,
        *(
            data_set(
                uid,
                f"{uid}.1",
                f"{uid}.1.1",
                StudyDate=day,
                StudyTime=time,
                ContentDate=day,
                ContentTime=time,
            )
            for uid, (day, time) in STUDIES.items()
        ),
    )
    return catalog


@pytest.fixture
def archive(catalog: Catalog) -> Catalog:
    return fill(catalog)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """One archive that many examples ask."""
    catalog = Catalog(CatalogOptions(new_sqlite_index(tmp_path_factory.mktemp("moments") / "kinote.db")))
    yield fill(catalog)
    catalog.close()


def found(
    catalog: Catalog, dates: str, times: str, *, combined: bool = True, level: Level = Level.STUDY
) -> set[tuple[str, str]]:
    name = "Study" if level is Level.STUDY else "Content"
    keys = {path_of(f"{name}Date"): dates, path_of(f"{name}Time"): times}
    with catalog.read() as connection:
        answers = search(connection, Query(level, keys=keys, combined=combined, limit=500))
    return {STUDIES[each.study_instance_uid] for each in answers}


def span(written: str) -> tuple[str, str]:
    """The first and the last moment of the day that a time means, in `HHMMSSffffff`."""
    digits = written.replace(".", "")
    return digits + "000000000000"[len(digits) :], digits + "235959999999"[len(digits) :]


def ends(written: str) -> tuple[str, str, tuple[bool, bool]]:
    """The beginning and end of a range or single value, and of what form it is."""
    first, dash, last = written.replace(" ", "").partition("-")
    return first, last if dash else first, (bool(dash and first), bool(dash and last))


def ought(dates: str, times: str, *, combined: bool = True) -> set[tuple[str, str]]:
    """By the words of the standard, one study after the other."""
    first_day, last_day, form_of_days = ends(dates)
    first_time, last_time, form_of_times = ends(times)
    together = combined and any(form_of_days) and form_of_days == form_of_times
    begins, until = span(first_time)[0], span(last_time)[1]
    wanted = set()
    for day, time in STUDIES.values():
        earliest, latest = (span(time)[0],) * 2 if time else span("")
        if together:
            after = not first_day or day + earliest >= first_day + begins
            before = not last_day or day + latest <= last_day + until
        else:
            after = day >= first_day and (not first_time or earliest >= begins)
            before = (not last_day or day <= last_day) and (not last_time or latest <= until)
        if day and (time or together) and after and before:
            wanted.add((day, time))
    return wanted


#: Without a range of dates that they belong to, they are none (PS3.4 C.2.2.2.5).
OVER_MIDNIGHT = ("180000-095959", "1801 - 10")


@pytest.mark.parametrize("combined", [True, False])
@pytest.mark.parametrize(
    ("dates", "times"),
    [
        ("20060705-20060707", "1000-1800"),
        ("20060705-", "1000-"),
        ("-20060706", "-1000"),
        ("20060705-20060707", "10-"),
        ("20060705", "1000-1800"),
        ("20060705-20060706", "10"),
        ("20060705-20060706", OVER_MIDNIGHT[0]),
        ("20060705 - 20060706", OVER_MIDNIGHT[1]),
    ],
)
def test_a_date_and_its_time(archive: Catalog, dates: str, times: str, combined: bool) -> None:
    if not combined and times in OVER_MIDNIGHT:
        with pytest.raises(InvalidKeyError, match="over midnight"):
            found(archive, dates, times, combined=combined)
        return
    expected = ought(dates, times, combined=combined)
    assert found(archive, dates, times, combined=combined) == expected
    if combined:
        assert found(archive, dates, times, level=Level.INSTANCE) == expected


def test_it_is_the_standards_example(archive: Catalog) -> None:
    """From July 5, 10 o'clock until July 7, 6 o'clock, and not from 10 until 6 on each of the three days."""
    night = ("20060706", "235959")
    assert night in found(archive, "20060705-20060707", "1000-1800")
    assert night not in found(archive, "20060705-20060707", "1000-1800", combined=False)


days = st.sampled_from(DAYS[1:])
clocks = st.sampled_from([time for time in TIMES[1:] if not time.endswith("60")])
ranges = st.sampled_from(["{0}", "{0}-{1}", "{0}-", "-{1}"])


@pytest.mark.soak
@settings(
    max_examples=SCALE.property_examples,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(
    st.lists(days, min_size=2, max_size=2),
    st.lists(clocks, min_size=2, max_size=2),
    ranges,
    ranges,
    st.booleans(),
)
def test_any_ranges(
    shared: Catalog, day: list[str], time: list[str], dates: str, times: str, combined: bool
) -> None:
    wanted = (dates.format(*sorted(day)), times.format(*sorted(time)))
    assert found(shared, *wanted, combined=combined) == ought(*wanted, combined=combined)
