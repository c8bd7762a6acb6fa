"""The commands about jobs, without a server and with one."""

from __future__ import annotations

import json
from pathlib import Path

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN, register_found
from tests.clock import clock
from tests.command_line import kinote
from tests.intake.objects import image
from tests.running_server import RunningServer


def a_store_with_a_job(folder: Path) -> int:
    (folder / "one.dcm").write_bytes(image(1))
    assert kinote("import", "one.dcm", "--data", "data", cwd=folder).returncode == 0
    catalog = Catalog(CatalogOptions(f"sqlite:///{folder / 'data' / 'kinote.sqlite'}"))
    made = catalog.write(lambda tx: register_found(tx, "error", "", actor="Jane", clock=clock))
    catalog.close()
    return made.id


def test_jobs_are_listed_shown_cancelled_and_done(tmp_path: Path) -> None:
    key = a_store_with_a_job(tmp_path)
    listed = kinote("jobs", "list", "--state", "queued", "--json", "--data", "data", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    assert [(each["id"], each["kind"]) for each in found["items"]] == [(key, REGISTER_AGAIN.name)]
    assert found["numbers"][0]["count"] == 1
    assert "as soon as a worker is free" in kinote("jobs", "list", "--data", "data", cwd=tmp_path).stdout

    paused = kinote(
        "jobs", "pause", REGISTER_AGAIN.name, "--reason", "an update", "--data", "data", cwd=tmp_path
    )
    assert paused.stdout == f"The queue {REGISTER_AGAIN.name} is accepting.\n", paused.stderr
    assert kinote("jobs", "pause", "unheard", "--data", "data", cwd=tmp_path).returncode == 1

    server = RunningServer(tmp_path / "data")
    try:
        shown = kinote("jobs", "show", str(key), "--data", "data", cwd=tmp_path)
        assert "made, Jane" in shown.stdout and "an update" in shown.stdout
        cancelled = kinote("jobs", "cancel", str(key), "--data", "data", cwd=tmp_path)
        assert (cancelled.returncode, cancelled.stdout) == (0, "1 of 1 jobs: cancel.\n")
        again = kinote("jobs", "retry", str(key), "999", "--data", "data", cwd=tmp_path)
        assert (again.returncode, again.stdout.splitlines()[0]) == (1, "0 of 2 jobs: retry.")
        resumed = kinote("jobs", "resume", REGISTER_AGAIN.name, "--data", "data", cwd=tmp_path)
        assert resumed.stdout == f"The queue {REGISTER_AGAIN.name} is running.\n"
    finally:
        server.stop()
    assert kinote("jobs", "show", "999", "--data", "data", cwd=tmp_path).returncode == 1
