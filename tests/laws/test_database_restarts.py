"""Laws 6 to 8 while the database is restarted under those who send, make and withdraw."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from tests.actors import ORIGIN
from tests.databases import _make_schema, running_server
from tests.laws.arrivals import NUMBERS, STUDIES, Image, KeyObject, data_set, flag, image_uid
from tests.laws.life import Life
from tests.laws.living_product import LivingProduct, open_sink
from tests.laws.product import LIMIT
from tests.scale import SCALE


class Load:
    """Threads that send, make and withdraw until they are told to end; and what was acknowledged to them."""

    def __init__(self, product: LivingProduct) -> None:
        self.product = product
        self.stored: set[tuple[str, bytes]] = set()
        self.withdrawn: set[str] = set()
        self.notes: set[int] = set()
        self.failures: list[BaseException] = []
        self._chance = random.Random(20261130)
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(does,))
            for does in (self._send, self._make, self._withdraw)
        ]

    @property
    def acknowledged(self) -> int:
        return len(self.stored) + len(self.withdrawn) + len(self.notes)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, does: Callable[[int], None]) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            try:
                does(number)
            except (NoConnectionError, IndexUnavailableError, CommitInDoubtError):
                time.sleep(0.01)
            except BaseException as error:
                self.failures.append(error)
                return

    def _send(self, number: int) -> None:
        study = self._chance.choice(STUDIES)
        arriving = (
            KeyObject(study, 100 + number, (flag(image_uid(study, 1)),))
            if number % 2
            else Image(study, self._chance.choice(NUMBERS))
        )
        upload = self.product.receiver.open(ORIGIN)
        upload.write(arriving.file)
        if upload.finish().result(LIMIT).kind in ("stored", "held"):
            self.stored.add((arriving.uid, data_set(arriving.file)))

    def _make(self, number: int) -> None:
        study = self._chance.choice(STUDIES)
        body = {
            "title": {"scheme": "DCM", "value": "113000"},
            "description": f"note {number}",
            "references": [{"sop_instance_uid": image_uid(study, 1)}],
        }
        answer = self.product.client.post(f"/api/v1/studies/{study}/notes", json=body)
        assert answer.status_code in (201, 404, 422, 500, 503), answer.text
        if answer.status_code == 201:
            self.notes.add(answer.json()["id"])
        time.sleep(0.02)

    def _withdraw(self, number: int) -> None:
        uid = f"{self._chance.choice(STUDIES)}.70.{100 + self._chance.randrange(200)}"
        body = {"act": "quality", "text": "a reason", "instances": [uid]}
        answer = self.product.client.post("/api/v1/withdrawals", json=body)
        assert answer.status_code in (201, 500, 503), answer.text
        if answer.status_code == 201:
            self.withdrawn.add(uid)
        time.sleep(0.02)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_law_6_and_8_restarts_of_the_database_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(20261130)
    with running_server() as server, open_sink() as (sink, entity):
        url = server.create("kinote")
        _make_schema(url)
        product = LivingProduct(url, tmp_path, [entity])
        try:
            life = Life(product, sink)
            with Load(product) as load:
                for number in range(SCALE.restarts):
                    _wait_for_more(load)
                    time.sleep(chance.uniform(0, 0.3))
                    server.restart(kills=bool(number % 2))
                _wait_for_more(load)
            assert load.failures == []
            # A file stays where nobody could say whether a row has it, until the next start.
            product.restart()
            life.promises.data_sets = load.stored
            life.hold()
            assert not load.withdrawn & set(life.rows.live)
            assert load.notes <= {row.id for row in product.rows("SELECT id FROM note")}
            life.end()
        finally:
            product.close()


def _wait_for_more(load: Load) -> None:
    """Until something more has been acknowledged: everybody gets on again by themselves."""
    before, deadline = load.acknowledged, time.monotonic() + LIMIT
    while load.acknowledged < before + 5 and not load.failures:
        assert time.monotonic() < deadline, "nobody gets on"
        time.sleep(0.01)
