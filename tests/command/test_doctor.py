"""`kinote doctor`, with a server running on the data directory and without one, on every database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinote.catalog.schema.tables import finding, instance, key_object
from kinote.catalog.sql import dialects
from kinote.keyobject.findings import found
from kinote.storage.local import local_stores
from tests.command_line import kinote
from tests.kept_bytes import kept_places
from tests.keyobject.variants.table import BY_ID
from tests.keyobject.variants.variant import SOP, placed_uid
from tests.running_server import RunningServer

#: What comes in: a good document, one with pixels (which lies in a file), one that stays unreadable, one with findings,
#: and a good one that an older reader read.
ROWS = ("implicit", "V82", "V08", "V43", "implicit")
CURED, WITHOUT_BYTES, UNREADABLE, WITH_FINDINGS, READ_BEFORE = (
    placed_uid(SOP, number) for number in range(len(ROWS))
)


@pytest.fixture(params=["sqlite", "postgresql"])
def data(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with documents, some of which an older reader did not understand."""
    folder = tmp_path / "data"
    url = f"sqlite:///{folder / 'kinote.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        monkeypatch.setenv("KINOTE_DATABASE", url)
    files = tmp_path / "files"
    files.mkdir()
    for number, row in enumerate(ROWS):
        (files / f"{number}.dcm").write_bytes(BY_ID[row].file(number))
    done = kinote("import", "files", "--data", "data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    as_an_older_reader_left_it(url)
    stores = local_stores(folder)
    stores.remove(kept_places(stores))
    stores.close()
    return folder


def as_an_older_reader_left_it(url: str) -> None:
    engine = dialects.engine_for(url, pool_size=1)
    with engine.begin() as connection:
        keys = {
            row.sop_instance_uid: row.id
            for row in connection.execute(
                instance.select().with_only_columns(instance.c.id, instance.c.sop_instance_uid)
            )
        }
        connection.execute(
            key_object.update()
            .where(key_object.c.instance == keys[CURED])
            .values(registration="unreadable", version=None, unreadable_in_study=placed_uid("1.2.3000", 0))
        )
        connection.execute(
            key_object.update().where(key_object.c.instance == keys[READ_BEFORE]).values(reader_version=0)
        )
        for uid, one in ((CURED, found("NO_REFERENCES")), (WITHOUT_BYTES, found("TEMPLATE"))):
            connection.execute(
                finding.insert().values(
                    instance=keys[uid], code=one.code, severity=one.severity, place=one.place, text=one.text
                )
            )
    engine.dispose()


def hold(report: dict[str, Any]) -> None:
    assert report["read"] == 5
    (changed,) = report["changed"]
    assert changed["sop_instance_uid"] == CURED
    assert (changed["was"], changed["registration"], changed["findings"]) == ("unreadable", "registered", [])
    assert [item["sop_instance_uid"] for item in report["failed"]] == [WITHOUT_BYTES]


@pytest.mark.parametrize("is_running", [True, False])
def test_what_an_update_understands_is_registered(data: Path, is_running: bool) -> None:
    server = RunningServer(data) if is_running else None
    try:
        first = kinote("doctor", "--data", "data", "--json", cwd=data.parent)
        assert first.returncode == 1, first.stderr
        hold(json.loads(first.stdout))
        second = kinote("doctor", "--data", "data", cwd=data.parent)
    finally:
        if server:
            server.stop()
    told = second.stdout.splitlines()
    assert told[0] == "3 key objects read again: 0 understood otherwise than before, 1 not to be read."
    assert told[1].startswith(f"  {WITHOUT_BYTES}: ")
