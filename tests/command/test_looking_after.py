"""The commands that say what is missing, what was purged and what needs a person, without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.alerts import AlertWatch
from kinote.holdings.health import Alert
from kinote.lifecycle.acts import SAFETY
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from tests.actors import ROE
from tests.command_line import kinote
from tests.intake.objects import image

UID = "1.2.3.4.1"


def clock() -> datetime:
    return datetime.now(UTC)


def test_a_store_is_looked_after(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(image(1))
    (tmp_path / "none.dcm").write_bytes(image(2)[:-40])

    def run(*arguments: str, status: int = 0) -> str:
        done = kinote(*arguments, "--data", "data", cwd=tmp_path)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    run("import", "one.dcm")
    run("import", "none.dcm", status=1)
    assert "RIGHT_OR_FILTER" in run("explain", UID, "--study", "1.2.3")
    assert "REFUSED" in run("explain", "1.2.3.4.2", status=1)
    assert "0 things are wrong" in run("doctor", "--laws")
    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'data' / 'kinote.sqlite'}"))
    catalog.write(lambda tx: withdraw(tx, [UID], act=SAFETY, text="", by=ROE, now=clock()))
    AlertWatch(catalog, clock, "none", lambda: [Alert("JOBS_DEAD", "One is dead.")]).step()
    catalog.close()
    (tmp_path / "kinote.toml").write_text("purge_after = 1\n")
    plan = json.loads(run("purges", "plan", "--days", "2", "--json"))
    assert [each["sop_instance_uid"] for each in plan["items"]] == [UID]
    assert "0 objects." in run("purges", "list")
    assert "0 failed." in run("purges", "failures")
    assert "0 are tried again." in run("purges", "retry", "1")
    (alert,) = json.loads(run("alerts", "list", "--json"))["items"]
    run("alerts", "acknowledge", str(alert["id"]))
    assert "waits until" in run("alerts", "snooze", str(alert["id"]), "--hours", "1")
    assert "Anna sees to the alert" in run("alerts", "own", str(alert["id"]), "Anna")
    assert "Alerts reach nobody" in run("alerts", "test", status=1)
    run("alerts", "acknowledge", "999", status=1)
    assert "snoozed" in run("alerts", "list")
