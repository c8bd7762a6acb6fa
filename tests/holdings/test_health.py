"""What a server says of files that recovery did not like, and what an administrator does about it."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from kinote.app import open_application
from kinote.holdings.health import HoldingsHealth
from kinote.holdings.scrubbing.progress import ScrubProgress
from kinote.settings.model import Settings
from tests.actors import ORIGIN
from tests.command_line import kinote
from tests.intake.objects import image
from tests.kept_bytes import left_behind
from tests.running_server import RunningServer


def _left_by_a_crash(data: Path, number: int) -> None:
    with open_application(Settings.model_validate({"data": data})) as application:
        for content in range(number):
            left_behind(application.stores, image(content))


def _said(server: RunningServer, path: str) -> str:
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        return str(answer.read().decode())


def test_what_a_crash_left_is_set_aside_counted_and_can_be_imported(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _left_by_a_crash(data, 2)
    server = RunningServer(data)
    try:
        ready = json.loads(_said(server, "/readyz"))
        assert (ready["status"], ready["quarantined_files"]) == ("ready", 2)
        assert [alert["code"] for alert in ready["alerts"]] == ["QUARANTINE_NOT_EMPTY"]
        metrics = _said(server, "/metrics")
        assert "kinote_quarantined_files 2.0" in metrics
        assert "kinote_files_unknown_to_index 0.0" in metrics
        assert "kinote_scrub_progress 0.0" in metrics
        assert "kinote_scrub_last_ended_timestamp_seconds 0.0" in metrics
        taken = kinote("import", data / "quarantine", "--data", data, "--json", cwd=tmp_path)
        assert json.loads(taken.stdout)["counts"]["stored"] == 2
    finally:
        server.stop()


def test_an_administrator_decides_about_files_that_the_index_does_not_know(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with open_application(Settings.model_validate({"data": data})) as application:
        upload = application.receiver.open(ORIGIN)
        upload.write(image())
        assert upload.finish().result(60).kind == "stored"
    (data / "kinote.sqlite").unlink()
    refused = kinote("import", data / "packs", "--data", data, cwd=tmp_path)
    assert (refused.returncode, "kinote doctor --adopt" in refused.stderr) == (1, True)
    adopted = kinote("doctor", "--adopt", "--data", data, cwd=tmp_path)
    assert (adopted.returncode, adopted.stderr) == (0, "")
    repaired = kinote("doctor", "--repair", "--data", data, cwd=tmp_path)
    assert repaired.stdout.startswith("1 files were set aside in ")
    again = kinote("import", data / "quarantine", "--data", data, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["counts"]["stored"] == 1


def test_a_scrub_that_is_hopelessly_behind_is_told() -> None:
    begun = datetime(2026, 11, 30, tzinfo=UTC)
    assert HoldingsHealth(scrub=ScrubProgress(0.4, None, None)).alerts == []
    (alert,) = HoldingsHealth(scrub=ScrubProgress(0.4, None, begun)).alerts
    assert alert.code == "SCRUB_BEHIND"
    assert "Since 2026-11-30 only 40% of all stored bytes" in alert.text
