"""The import by the REST API and by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from blockbuster import blockbuster_ctx
from typer.testing import CliRunner

from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.command.main import app
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.migration import importing
from kinote.migration.filing import file_notes
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, WebOptions, create_application
from tests.actors import OPEN
from tests.clock import clock
from tests.migration.tables import residences, row
from tests.notes.sample_studies import IMAGE, IMAGE_2
from tests.web.conftest import running

IMPORT = "/api/v1/migrations/notes"
JSON_LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def client(filled_sqlite: Catalog, tmp_path: Path) -> Iterator[httpx.Client]:
    stores = local_stores(tmp_path / "data")
    receiver = Receiver(filled_sqlite, stores, clock=clock)
    rooms = Rooms(
        filled_sqlite,
        receiver,
        Door(filled_sqlite, stores, clock=clock),
        WebOptions(viewer=tmp_path),
        clock=clock,
        policy=OPEN,
    )
    with (
        blockbuster_ctx("kinote"),
        running(create_application(rooms)) as address,
        httpx.Client(base_url=address, timeout=60) as opened,
    ):
        yield opened
    receiver.close()
    stores.close()


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in rows).encode()


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_table_is_imported_and_each_line_told(client: httpx.Client, filled_sqlite: Catalog) -> None:
    table = (
        lines(
            {"mapping": {"titles": {"Key": "113000"}}},
            row("1", IMAGE, title="Key"),
            row("2", "1.9.1.1.1"),
            row("3", IMAGE_2, frames="x"),
        )
        + b"no json\n"
    )
    asked = {"source": "old", "dry_run": "true"}
    *_, done = told(client.post(IMPORT, params=asked, content=table, headers=JSON_LINES))
    assert done["done"]["counts"] == {"imported": 1, "waiting": 1, "refused": 2}
    assert residences(filled_sqlite) == []
    skipping = {"skip_unreadable": "true"}
    *_, ended = told(client.post(IMPORT, params={"source": "old"}, content=table, headers=JSON_LINES))
    assert "the first in line 5" in ended["problem"] and ended["progress"]["notes"] == 0
    found = told(
        client.post(
            IMPORT, params={"source": "old", "all": "true", **skipping}, content=table, headers=JSON_LINES
        )
    )
    assert [(each["kind"], each["line"]) for each in found if "kind" in each] == [
        ("refused", 5),
        ("refused", 4),
        ("imported", 2),
        ("waiting", 3),
    ]
    (waiting,) = client.get("/api/v1/migrations/waiting").json()["items"]
    assert (waiting["legacy_key"], waiting["reason"]) == ("2", "Its study is not here.")
    again = told(
        client.post(IMPORT, params={"source": "another", **skipping}, content=table, headers=JSON_LINES)
    )
    assert [each["kind"] for each in again if "kind" in each] == [
        "refused",
        "refused",
        "duplicate",
        "duplicate",
    ]
    page = client.get("/api/v1/migrations/duplicates?limit=1").json()
    assert [each["legacy_key"] for each in page["items"]] == ["1"] and page["next"]
    rest = client.get("/api/v1/migrations/duplicates", params={"cursor": page["next"]}).json()
    assert [each["legacy_key"] for each in rest["items"]] == ["2"]


def test_key_objects_are_made_on_request(client: httpx.Client, filled_sqlite: Catalog) -> None:
    told(client.post(IMPORT, content=lines(row("1", IMAGE), row("2", IMAGE_2)), headers=JSON_LINES))
    asked = {"limit": 1}
    first = client.post("/api/v1/migrations/key-objects", json=asked).json()
    assert (first["made"], first["failed"]) == (1, {})
    assert residences(filled_sqlite) == ["local", "derivable"]
    rest = client.post("/api/v1/migrations/key-objects", json={"after": first["next"]}).json()
    assert rest == {"made": 1, "failed": {}, "next": None}


NO_TABLES = [
    ("text/plain", b"", 415, "send the table as text/csv"),
    ("text/csv", b"", 400, "it names the columns"),
    ("text/csv", b"note,title\n", 400, "among them note and sop_instance_uid"),
    ("text/csv", "note,sop_instance_uid\nä".encode("latin-1"), 400, "is not UTF-8"),
    ("application/x-ndjson", b'{"mapping": {"titles": {"a": "b"}}}\n', 400, "no title of CID 7010"),
]


def test_what_is_no_table_is_refused_as_a_whole(client: httpx.Client) -> None:
    for media_type, table, status, sentence in NO_TABLES:
        answer = client.post(IMPORT, content=table, headers={"Content-Type": media_type})
        assert answer.status_code == status, sentence
        assert sentence in answer.json()["detail"]


def test_what_ends_an_import_is_told_and_it_goes_on_when_it_is_sent_again(
    client: httpx.Client, filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    table = lines(*(row(str(number), f"1.9.1.1.{number}") for number in range(5)))
    calls = iter([False, True])

    def fails(*arguments: Any, **options: Any) -> Any:
        if next(calls):
            raise CatalogClosedError("gone")
        return file_notes(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "file_notes", fails)
        *_, last = told(client.post(IMPORT, content=table, headers=JSON_LINES))
    assert last["problem"] == "The import ended before its end: gone"
    *_, done = told(client.post(IMPORT, content=table, headers=JSON_LINES))
    assert done["done"]["counts"] == {"waiting": 5}


def test_the_command_imports_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.csv").write_text(f"note,sop_instance_uid,title,X\n1,{IMAGE},Wichtig,\n2,{IMAGE},?,\n")
    (tmp_path / "mapping.toml").write_text('[titles]\nWichtig = "Of Interest"\n')
    runner = CliRunner()
    data = ["--data", str(tmp_path / "data")]
    (tmp_path / "empty").mkdir()
    runner.invoke(app, ["import", str(tmp_path / "empty"), *data])
    result = runner.invoke(
        app,
        ["notes", "import", "notes.csv", "--mapping", "mapping.toml", "--report", "r.jsonl", "--json", *data],
    )
    assert result.exit_code == 1, result.output
    said = json.loads(result.stdout)
    assert said["counts"] == {"imported": 0, "waiting": 1, "known": 0, "duplicate": 0, "refused": 1}
    assert [each["line"] for each in said["refused"]] == [3]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 2
    listed = runner.invoke(app, ["notes", "waiting", "--json", *data])
    assert [each["legacy_key"] for each in json.loads(listed.stdout)["items"]] == ["1"]
    assert "0 key objects were made" in runner.invoke(app, ["notes", "materialise", "--all", *data]).stdout
