"""Laws 5 to 8 while files and the index fail at any point.

Nothing that was acknowledged is lost or done twice, and every answer is a documented one.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kinote.intake.outcome import OUT_OF_RESOURCES
from kinote.lifecycle import counts
from tests.cut_connections import Cut, cutting
from tests.laws.arrivals import FIRST, LARGE, SECOND, Image, data_set
from tests.laws.faults import Fault, Faults, under_files, under_index
from tests.laws.product import Product
from tests.scale import SCALE

STUDIES = (FIRST, SECOND)
NUMBERS = (1, 2, LARGE, *range(11, 60))

#: Rounds after which everything is looked at.
LOOK = 25

#: What an act may be answered with while something fails (docs/http.md, Problems).
DOCUMENTED = {200, 201, 202, 204, 404, 409, 412, 422, 503}


class Day:
    """What is done to a product, and what has been promised by it."""

    def __init__(self, product: Product, random: Random) -> None:
        self.product = product
        self.random = random
        #: The bytes of what was acknowledged, by UID.
        self.promised: dict[str, bytes] = {}
        self.withdrawn: set[str] = set()
        #: Of the notes that were asked for, by their description: whether that was acknowledged.
        self.notes: dict[str, bool] = {}
        self.answers: Counter[str] = Counter()
        self.number = 0

    def any_act(self) -> None:
        act = self.random.choice((self.receive, self.receive, self.make_note, self.withdraw, self.ask))
        act()

    def receive(self) -> None:
        images = [
            Image(self.random.choice(STUDIES), number)
            for number in self.random.sample(NUMBERS, self.random.randint(1, 4))
        ]
        for image, outcome in zip(images, self.product.receive([each.file for each in images]), strict=True):
            self.answers[outcome.kind] += 1
            if outcome.succeeded:
                assert outcome.kind in ("stored", "known"), outcome
                self.promised.setdefault(image.uid, data_set(image.file))
            elif image.uid not in self.withdrawn:
                assert outcome.status == OUT_OF_RESOURCES and outcome.reason, outcome

    def make_note(self) -> None:
        live = sorted(set(self.promised) - self.withdrawn)
        if not live:
            return
        uid = self.random.choice(live)
        self.number += 1
        description = f"note {self.number}"
        self.notes[description] = False
        asked = {
            "title": {"scheme": "DCM", "value": "113000"},
            "description": description,
            "author": {"name": "Roe^Richard"},
            "references": [{"sop_instance_uid": uid}],
        }
        study = uid.rpartition(".")[0].rpartition(".")[0]
        # Asked again under its key until there is an answer, as a client does.
        for _ in range(3):
            answer = self.act(
                "POST", f"/api/v1/studies/{study}/notes", json=asked, headers={"Idempotency-Key": description}
            )
            if answer != 503:
                break
        self.notes[description] = answer == 201

    def withdraw(self) -> None:
        live = sorted(set(self.promised) - self.withdrawn)
        if len(live) < 10:
            return
        uid = self.random.choice(live)
        answer = self.act(
            "POST",
            "/api/v1/withdrawals",
            json={"act": "quality", "instances": [uid]},
            headers={"Idempotency-Key": f"withdraw {uid}"},
        )
        if answer == 201:
            self.withdrawn.add(uid)

    def ask(self) -> None:
        study = self.random.choice(STUDIES)
        for path in (f"/dicomweb/studies/{study}/instances", f"/api/v1/studies/{study}/notes", "/readyz"):
            self.act("GET", path)

    def act(self, method: str, path: str, **options: Any) -> int:
        answer = self.product.client.request(method, path, **options)
        assert answer.status_code in DOCUMENTED, (path, answer.status_code, answer.text)
        if answer.status_code >= 400 and path != "/readyz":
            assert answer.headers["content-type"] == "application/problem+json", path
        self.answers[f"{method} {answer.status_code}"] += 1
        return answer.status_code

    def look(self) -> None:
        """Everything that was promised is there, and nothing that was not."""
        rows = self.product.rows(
            "SELECT id, sop_instance_uid, standing FROM instance WHERE is_current AND file_key IS NOT NULL"
        )
        lying = self.product.stored_bytes()
        found = {row.sop_instance_uid: lying[row.id] for row in rows}
        standing = {row.sop_instance_uid: row.standing for row in rows}
        for uid, promised in self.promised.items():
            assert found.get(uid) == promised, f"{uid} is not as it was acknowledged"
            if uid in self.withdrawn:
                assert standing[uid] == "withdrawn", uid
        notes = Counter(item["description"] for item in self.product.items("notes"))
        assert max(notes.values(), default=1) == 1, "a note was made twice"
        assert {text for text, is_made in self.notes.items() if is_made} <= set(notes)
        with self.product.catalog.read() as connection:
            assert counts.differences(connection) == []

    def restart(self) -> None:
        """After recovery there are no bytes without a row (law 8)."""
        self.product.restart()
        rows = self.product.rows("SELECT store, file_key FROM instance WHERE file_key IS NOT NULL")
        assert self.product.places() == {(row.store, row.file_key) for row in rows}


@contextmanager
def opened(url: str, data: Path) -> Iterator[Product]:
    product = Product(url, data)
    try:
        yield product
    finally:
        product.close()
        shutil.rmtree(data)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_laws_hold_while_files_and_the_index_fail(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults()
    random = Random(12)
    under_index(faults, monkeypatch)
    with opened(sqlite_url, tmp_path / "data") as product:
        under_files(faults, monkeypatch)
        day = Day(product, random)
        for number in range(1, SCALE.fault_rounds + 1):
            faults.arm(Fault.any(random, ("file", "statement", "commit")) if random.random() < 0.8 else None)
            day.any_act()
            faults.arm(None)
            if not number % LOOK:
                day.look()
                day.restart()
        day.look()
    # The faults were met, and told; and what was not struck went on.
    assert set(faults.struck) == {"file", "statement", "commit"}
    assert day.answers["refused"] and day.answers["stored"] and day.answers["POST 201"], day.answers


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_laws_hold_while_files_fail_and_connections_break(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults()
    random = Random(13)
    with cutting(postgresql_url) as (url, cutter), opened(url, tmp_path / "data") as product:
        under_files(faults, monkeypatch)
        day = Day(product, random)
        for number in range(1, SCALE.fault_rounds // 3 + 1):
            if random.random() < 0.3:
                cutter.cut(random.choice((Cut.ANSWER, Cut.COMMIT)))
            else:
                faults.arm(Fault.any(random, ("file",)))
            day.any_act()
            faults.arm(None)
            # An act that commits nothing leaves the cut to whatever comes next: a server does not start through it.
            cutter.spare()
            if not number % LOOK:
                day.look()
                day.restart()
        day.look()
        assert cutter.cuts and faults.struck
    assert day.answers["stored"], day.answers


def test_breach_of_law_6_acknowledging_what_was_not_committed_is_noticed(
    sqlite_url: str, tmp_path: Path
) -> None:
    with opened(sqlite_url, tmp_path / "data") as product:
        day = Day(product, Random(1))
        day.receive()
        day.look()
        day.promised["1.2.1.1.99"] = b"never stored"
        with pytest.raises(AssertionError, match="not as it was acknowledged"):
            day.look()
