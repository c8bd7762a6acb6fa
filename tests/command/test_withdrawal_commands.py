"""`kinote withdraw` and `kinote withdrawals`, on a store that no server has."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle.withdrawals.lists import one_withdrawal
from tests.command_line import kinote
from tests.intake.objects import image
from tests.web.objects import SERIES, STUDY


def test_a_study_is_withdrawn_listed_and_taken_back(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(image(1))
    assert kinote("import", "one.dcm", "--data", "data", cwd=tmp_path).returncode == 0
    asked = ("withdraw", "wrong patient", "--study", STUDY, "--data", "data")
    seen = kinote(*asked, "--preview", cwd=tmp_path)
    assert seen.returncode == 0, seen.stderr
    assert seen.stdout.startswith("1 of 1 instances would be withdrawn.\n")
    refused = kinote(*asked, cwd=tmp_path)
    assert (refused.returncode, refused.stderr.startswith("kinote: text: Say why")) == (1, True)
    done = kinote(*asked, "--text", "the patient before", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["withdrawn"], made["state"]) == (1, "open")
    assert kinote(
        "withdraw", "quality", "--instance", f"{SERIES}.9", "--data", "data", cwd=tmp_path
    ).stdout == (
        "0 of 1 instances withdrawn, 1 not arrived.\n"
        f"Withdrawal 2 can be undone unseen until {_closes_at(tmp_path, 2)}.\n"
    )
    listed = kinote("withdrawals", "list", "--act", "wrong patient", "--data", "data", cwd=tmp_path)
    assert "wrong patient, 1 instances" in listed.stdout
    exported = kinote("withdrawals", "list", "--csv", "--data", "data", cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(exported.stdout)))
    assert [row["text"] for row in rows] == ["", "the patient before"]
    undone = kinote("withdrawals", "undo", "1", "--data", "data", cwd=tmp_path)
    assert undone.stdout == "Withdrawal 1 is undone.\n", undone.stderr
    shown = kinote("withdrawals", "show", "1", "--data", "data", cwd=tmp_path)
    assert "undone" in shown.stdout and STUDY in shown.stdout
    assert kinote("withdrawals", "show", "9", "--data", "data", cwd=tmp_path).returncode == 1


def _closes_at(folder: Path, key: int) -> str:
    catalog = Catalog(CatalogOptions(f"sqlite:///{folder / 'data' / 'kinote.sqlite'}"))
    with catalog.read() as connection:
        found = one_withdrawal(connection, key).closes_at
    catalog.close()
    return found
