"""Two servers on one PostgreSQL and one store: objects and notes go in and come out through both at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle import counts
from tests.interop.test_every_copy import held_copies, received, retrieved
from tests.running_server import RunningServer
from tests.web.event_stream import listening
from tests.web.objects import STUDY, as_file, image, multipart

TITLE = {"scheme": "DCM", "value": "113000"}
AUTHOR = {"kind": "person", "name": "Doe^Jane", "login": "jdoe"}
NOTES = f"/api/v1/studies/{STUDY}/notes"

Pair = tuple[httpx.Client, httpx.Client]


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path) -> Iterator[Pair]:
    """Clients of two servers that are started at the same moment, as a machine does that boots."""
    with ThreadPoolExecutor() as pool:
        servers = list(
            pool.map(lambda _: RunningServer(tmp_path / "data", "--database", postgresql_url), range(2))
        )
    with (
        httpx.Client(base_url=servers[0].url, timeout=120, trust_env=False) as first,
        httpx.Client(base_url=servers[1].url, timeout=120, trust_env=False) as second,
    ):
        yield first, second
    for server in servers:
        server.stop()
    catalog = Catalog(CatalogOptions(postgresql_url))
    with catalog.read() as connection:
        assert counts.differences(connection) == []
    catalog.close()


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What the acts give, begun together."""
    together = Barrier(len(acts))

    def begin(act: Callable[[], Any]) -> Any:
        together.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(begin, acts))


def store(client: httpx.Client, files: Sequence[bytes]) -> httpx.Response:
    body, headers = multipart(files)
    return client.post("/dicomweb/studies", content=body, headers=headers)


def make(client: httpx.Client, uid: str, description: str = "A nodule") -> httpx.Response:
    return client.post(NOTES, json=wanted(uid, description))


def wanted(uid: str, description: str) -> dict[str, Any]:
    references = [{"sop_instance_uid": uid}]
    return {"title": TITLE, "description": description, "author": AUTHOR, "references": references}


def revise(client: httpx.Client, note: dict[str, Any], description: str = "Two nodules") -> httpx.Response:
    return client.put(
        f"/api/v1/notes/{note['id']}",
        json=wanted(note["references"][0]["sop_instance_uid"], description),
        headers={"If-Match": f'"{note["version"]}"'},
    )


def withdraw(client: httpx.Client, note: dict[str, Any]) -> httpx.Response:
    return client.delete(f"/api/v1/notes/{note['id']}", params={"reason": "blurred"})


def feed(client: httpx.Client) -> list[tuple[str, str, str | None, int | None]]:
    """The whole change feed, read in small pages."""
    found = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/api/v1/changes", params={"limit": 7, "cursor": cursor}).json()
        found += [
            (item["position"], item["kind"], item["sop_instance_uid"], item["note"]) for item in page["items"]
        ]
        cursor = page["next"]
    return found


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(NOTES).json()["items"]
    return items


@pytest.mark.timeout(300)
def test_objects_of_one_study_through_both_at_once(pair: Pair) -> None:
    first, second = pair
    files = [as_file(image(number)) for number in range(1, 61)]
    # A third of them through both; and one UID with other content on each side, which proposes no correction.
    sides = (
        [*files[:40], as_file(image(99, ImageComments="One"))],
        [*files[20:], as_file(image(99, ImageComments="Two"))],
    )
    answers = at_once(
        *(
            partial(store, client, part)
            for client, side in zip(pair, sides, strict=True)
            for part in (side[::2], side[1::2])
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 202}
    sent = {received(file) for side in sides for file in side}
    for client in pair:
        live = {retrieved(client, uid) for uid, _ in sent}
        held = held_copies(client)
        assert (len(live), len(held)) == (61, 1)
        assert live | set(held) == sent
        (study,) = client.get("/dicomweb/studies").json()
        assert study["00201208"]["Value"] == [61]
        account = client.get(f"/api/v1/studies/{STUDY}/account").json()
        assert account["counts_agree"] and account["by_standing"]["held"]["count"] == 1
    fed = feed(first)
    assert fed == feed(second)
    assert sorted(uid or "" for _, kind, uid, _ in fed if kind == "instance stored") == sorted(
        uid for uid, _ in live
    )
    assert [kind for _, kind, _, _ in fed].count("instance held") == 1


@pytest.mark.timeout(300)
def test_notes_through_both_at_once(pair: Pair) -> None:
    first, second = pair
    assert store(first, [as_file(image(number)) for number in range(1, 5)]).status_code == 200
    uids = [f"1.2.3.4.{number}" for number in range(1, 5)]
    made = at_once(*(partial(make, client, uid) for client in pair for uid in uids))
    assert [answer.status_code for answer in made] == [201] * 8
    notes = {answer.json()["id"]: answer.json() for answer in made}
    assert len(notes) == 8
    for client in pair:
        assert {note["id"]: note for note in listed(client)} == notes
    # Each is changed on the server that did not make it, half revised and half withdrawn.
    turned = [second] * 4 + [first] * 4
    changed = at_once(
        *(
            partial(revise if number % 2 else withdraw, client, note)
            for number, (client, note) in enumerate(zip(turned, notes.values(), strict=True))
        )
    )
    assert [answer.status_code for answer in changed] == [200] * 8
    now = {answer.json()["id"]: answer.json() for answer in changed}
    for note in now.values():
        # By what a withdrawn one is undone; it is no part of the note.
        note.pop("withdrawal", None)
    for client in pair:
        assert {note["id"]: note for note in listed(client)} == {
            key: note for key, note in now.items() if note["standing"] == "live"
        }
        for key, note in now.items():
            assert client.get(f"/api/v1/notes/{key}").json() == note
    document = now[list(notes)[1]]["key_objects"][0]["sop_instance_uid"]
    assert retrieved(first, document) == retrieved(second, document)
    fed = feed(first)
    assert fed == feed(second)
    kinds = Counter(kind for _, kind, _, note in fed if note in notes)
    assert kinds == {"note made": 8, "note revised": 4, "note withdrawn": 4}


@pytest.mark.timeout(300)
def test_who_listens_at_one_hears_of_what_comes_through_the_other(pair: Pair) -> None:
    first, second = pair
    with listening(first) as listener:
        for number in range(1, 4):
            assert store(second, [as_file(image(number))]).status_code == 200
            assert listener.next_kind() == "instance stored"


@pytest.mark.timeout(300)
def test_of_two_who_change_one_version_exactly_one_wins(pair: Pair) -> None:
    first, second = pair
    assert store(second, [as_file(image())]).status_code == 200
    note = make(first, "1.2.3.4.1").json()
    for turn in range(2, 7):
        answers = at_once(
            *(
                partial(revise, client, note, f"Turn {turn}, writer {number}")
                for number, client in enumerate((first, second, first, second))
            )
        )
        won = [answer.json() for answer in answers if answer.status_code == 200]
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        (note,) = won
        assert note["version"] == turn
        for client in pair:
            assert listed(client) == [note]
    withdrawals = at_once(*(partial(withdraw, client, note) for client in pair))
    assert sorted(answer.status_code for answer in withdrawals) == [200, 409]
    assert [listed(client) for client in pair] == [[], []]
    kinds = [kind for _, kind, _, _ in feed(first)]
    assert (kinds.count("note revised"), kinds.count("note withdrawn")) == (5, 1)


@pytest.mark.timeout(300)
def test_one_server_goes_on_when_the_other_is_gone(postgresql_url: str, tmp_path: Path) -> None:
    servers = [RunningServer(tmp_path / "data", "--database", postgresql_url) for _ in range(2)]
    file = as_file(image())
    assert (
        store(httpx.Client(base_url=servers[1].url, trust_env=False, timeout=60), [file]).status_code == 200
    )
    servers[1].kill()
    with httpx.Client(base_url=servers[0].url, trust_env=False, timeout=60) as client:
        assert retrieved(client, "1.2.3.4.1") == received(file)
        third = RunningServer(tmp_path / "data", "--database", postgresql_url)
        assert store(client, [as_file(image(2))]).status_code == 200
        third.stop()
        servers[0].stop()
    again = RunningServer(tmp_path / "data", "--database", postgresql_url)
    with httpx.Client(base_url=again.url, trust_env=False, timeout=60) as client:
        assert retrieved(client, "1.2.3.4.2") == received(as_file(image(2)))
    again.stop()
