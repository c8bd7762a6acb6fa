"""`app` provides the clock, which `telemetry.clock` has; no other code asks for the time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.sources import PACKAGE, imports_of

#: What gives the time of day. `datetime.fromtimestamp` and the like are given one.
_OF_DAY = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "asctime"},
}

#: What measures how long something takes, and cannot be set.
_STEADY = {
    "time": {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "thread_time"}
}

#: Who measures that, and why: a limit of our own patience, or a figure that is told.
_MAY_MEASURE = {
    "app/restoring.py": "how long a drill took",
    "backup/copied_index.py": "how long a slice of a copy took, to pause as long",
    "backup/running.py": "when progress was last said",
    "catalog/schema/soundness.py": "the pages of the index are checked within a bound",
    "catalog/transactions/commits.py": "how long a commit in doubt is looked up",
    "catalog/sql/dialects.py": "how long two who open a new database wait for each other",
    "catalog/transactions/notifications.py": "when to look again for what nobody has told",
    "catalog/transactions/catalog.py": "how long background work holds a writer",
    "command/network/commands.py": "how long an echo took",
    "decoding/harmful_frames.py": "how long a harmful frame is remembered",
    "decoding/pool.py": "how long a frame waited and took",
    "decoding/turns.py": "how long to wait for a process, and how long a study is suspected",
    "decoding/worker.py": "how long a frame may take",
    "delivery/orders/ways/carriers.py": "how long a speed limit waits",
    "delivery/orders/carrying_out.py": "how long a turn takes, and when `page_under_way` writes outcomes",
    "dimse/associations/acceptor.py": "time-outs of the network",
    "dimse/associations/association.py": "time-outs of the network",
    "dimse/transport/connection.py": "time-outs of the network",
    "dimse/transport/endpoint.py": "time-outs of the network",
    "dimse/operations/both_ways.py": "time-outs of the network",
    "dimse/transport/tls_socket.py": "time-outs of the network",
    "holdings/scrubbing/slow_scrub.py": "how long the disk takes to be read",
    "holdings/reaping/reaper.py": "how long a step took, to pause as long, and whether the clock has jumped",
    "holdings/reconciling/reconciler.py": "how long a slice took, to pause longer",
    "jobs/leased.py": "when a lease was last extended",
    "jobs/workers.py": "when leases are extended, and what is looked after again",
    "migration/fetching/dimse_source.py": "for how long a system goes on answering without sending anything",
    "migration/fetching/web_source.py": "whether an answer comes quickly enough",
    "migration/fetching/fetch.py": "when progress was last said",
    "migration/folders/scan.py": "the rate of a scan, and when progress was last said",
    "notes/registrar/opened_first.py": "how long whoever opens a study may have to wait",
    "notes/acts/undo_windows.py": "how long a window is open where the clock was set back",
    "peers/reaching/probing.py": "how long an echo took",
    "peers/reaching/resolving.py": "how old an address is, and how long to wait for one",
    "scp/retrieving/retrieval.py": "when the last interim answer was sent",
    "scp/receiving/processes.py": "how long receiver processes may take, and when they are begun again",
    "scp/associations/serving.py": "how long an association lasted",
    "retention/evictions.py": "how long a slice of evictions takes the writer",
    "retention/units/following.py": "for how long it is counted before a plan is made",
    "security/audit/trail.py": "the removal of old chunks leaves others their turn",
    "security/audit_messages/syslog.py": "how long a syslog server may take for a group",
    "security/openid/attempt.py": "how long an attempt that was answered is remembered",
    "security/openid/provider.py": "how old keys are, and how often they are asked for",
    "security/openid/sessions.py": "how long to wait for another server's renewal",
    "security/sign_in/identifying.py": "how long what was found out about a token counts",
    "security/sign_in/slowing_down.py": "how long who guesses passwords has to wait",
    "storage/directory/data_directory.py": "how long to wait for another server's recovery",
    "storage/directory/presence.py": "how long to wait for another server's recovery",
    "storage/quarantine.py": "how long a count is good for",
    "telemetry/report_throttle.py": "when something was reported for the last time",
    "telemetry/clock.py": "what has passed since another process told the time",
    "web/connections/doorkeeper.py": "time-outs of the network",
    "web/bodies/request_body.py": "how long a thread waits for a body",
    "web/requests/request_log.py": "how long a request took",
    "delivery/reports/content.py": "how long the pictures of a summary may take",
}


def _asked(text: str, names: dict[str, set[str]]) -> Iterator[str]:
    """Where source text uses one of the names of a module or class, also by another name for it."""
    tree = ast.parse(text)
    called = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            # `datetime.now`, and `datetime.datetime.now` where the module is imported.
            of = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if node.attr in names.get(called.get(of, of), ()):
                yield f"{of}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in names:
            yield from (alias.name for alias in node.names if alias.name in names[node.module])


def _files() -> dict[str, str]:
    return {
        path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
    }


def test_only_the_clock_asks_for_the_time() -> None:
    asking = {name: found for name, text in _files().items() if (found := list(_asked(text, _OF_DAY)))}
    assert asking == {"telemetry/clock.py": ["datetime.now"]}


def test_only_app_and_what_runs_without_it_take_the_clock() -> None:
    taking = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if ("kinote.telemetry.clock", "system_clock") in imports_of(path)
    }
    assert taking == {"app/adopting.py", "app/opening.py", "app/restoring.py", "command/check.py"}


def test_who_measures_how_long_something_takes_says_why() -> None:
    assert {name for name, text in _files().items() if any(_asked(text, _STEADY))} == set(_MAY_MEASURE)


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nmade = datetime.now()",
        "from datetime import datetime\nclock = datetime.now",
        "import datetime\nmade = datetime.datetime.now(datetime.UTC)",
        "import datetime as dt\nmade = dt.datetime.utcnow()",
        "from datetime import date as day\nmade = day.today()",
        "import time\nmade = time.time()",
        "import time as t\nmade = t.time_ns()",
        "from time import time\nmade = time()",
        "from time import strftime as written\nmade = written('%Y')",
    ],
)
def test_whoever_asks_is_found(source: str) -> None:
    assert list(_asked(source, _OF_DAY))


def test_whoever_is_given_the_time_is_not_found() -> None:
    source = (
        "from datetime import datetime\n\ndef made(now: datetime) -> str:\n    return datetime.isoformat(now)"
    )
    assert not list(_asked(source, _OF_DAY))


def test_the_list_of_who_measures_names_files() -> None:
    assert [name for name in _MAY_MEASURE if not Path(PACKAGE, name).is_file()] == []
