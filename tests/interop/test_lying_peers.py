"""A running server and peers that lie, stall, abort and answer out of order, each on a network connection of its own.

Whatever they do, each delivery ends in the right state, nothing counts that is not there, and others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.delivery.lying_archive import LyingArchive, LyingPeer
from tests.delivery.lying_peer import Peer, listening
from tests.running_server import RunningServer
from tests.web.objects import CT, SERIES, STUDY, as_file, image

#: Large enough for several PDUs each, and for files of their own.
IMAGES = [f"{SERIES}.{number}" for number in range(1, 5)]
CLIPS = [f"{SERIES}.{number}" for number in (11, 12)]
LARGE = {"rows": 256, "columns": 256}

#: Seconds for whatever is waited for: a failed attempt is followed by another after some five, then ten.
LIMIT = 90


@dataclass
class Sending:
    """A server that has a study, and its peers by name."""

    client: httpx.Client
    port: int
    closing: ExitStack
    peers: dict[str, int] = field(default_factory=dict)

    def asked(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.client.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def add(self, name: str, peer: Peer) -> None:
        """Have a peer listen, and be a destination."""
        endpoint = self.closing.enter_context(listening(peer, name))
        at = {"kind": "dimse", "ae_title": name, "host": endpoint.host, "port": endpoint.port}
        made = self.asked("POST", "peers", {"name": name, "endpoints": [at]}, 201)
        self.peers[name] = made["id"]
        self.asked("POST", "destinations", {"name": name, "endpoint": made["endpoints"][0]["id"]}, 201)
        if isinstance(peer, LyingArchive):
            peer.title, peer.server = name, self.port
            self.asked("PUT", f"archives/{made['id']}", {"recall_seconds": 20})

    def order(self, name: str, study: str = STUDY) -> int:
        ordered = self.asked("POST", "deliveries", {"destination": name, "studies": [study]}, 202)
        return int(ordered["id"])

    def delivery(self, key: int) -> dict[str, Any]:
        found: dict[str, Any] = self.asked("GET", f"deliveries/{key}")
        return found

    def ended(self, key: int) -> dict[str, Any]:
        wait_for(lambda: self.delivery(key)["state"] in ("done", "failed"), lambda: str(self.delivery(key)))
        return self.delivery(key)

    def sent(self, name: str) -> dict[str, Any]:
        """Send the study there, to the end."""
        return self.ended(self.order(name))

    def states(self, key: int) -> dict[str, str]:
        items = self.asked("GET", f"deliveries/{key}/objects")["items"]
        return {each["sop_instance_uid"]: each["state"] for each in items}

    def archive(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.asked("GET", f"archives/{self.peers[name]}")
        return found

    def commit(self, name: str) -> dict[str, Any]:
        """Ask for commitment, and wait for what comes of it."""
        self.asked("POST", f"archives/{self.peers[name]}/commit", status=202)

        def is_answered() -> bool:
            items = self.asked("GET", f"archives/{self.peers[name]}/requests")["items"]
            return bool(items) and items[0]["state"] == "answered"

        wait_for(is_answered, lambda: str(self.asked("GET", f"archives/{self.peers[name]}/requests")))
        return self.archive(name)

    def evict(self, name: str) -> dict[str, Any]:
        said: dict[str, Any] = self.asked("POST", f"archives/{self.peers[name]}/evict", {"studies": [STUDY]})
        return said

    def read(self, uid: str) -> httpx.Response:
        return self.client.get(
            f"/dicomweb/studies/{STUDY}/series/{SERIES}/instances/{uid}",
            headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
        )


def wait_for(holds: Callable[[], bool], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


def study_of(uid: str, number: int) -> list[Dataset]:
    own: dict[str, Any] = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1"}
    return [image(each, SOPInstanceUID=f"{uid}.1.{each}", **own) for each in range(1, number + 1)]


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[Sending]:
    with ExitStack() as closing:
        server = RunningServer(tmp_path / "data")
        closing.callback(server.stop)
        client = closing.enter_context(httpx.Client(base_url=server.url, timeout=60, trust_env=False))
        made = Sending(client, server.dicom_ports()[0], closing)
        store(made, *(image(number, **LARGE) for number in range(1, 5)))
        store(made, *(image(number, frames=2, **LARGE) for number in (11, 12)))
        yield made


def store(sending: Sending, *objects: Dataset) -> None:
    for each in objects:
        answer = sending.client.post(
            "/dicomweb/studies", content=as_file(each), headers={"Content-Type": "application/dicom"}
        )
        assert answer.status_code == 200, answer.text


@dataclass(frozen=True)
class Ends:
    """How a delivery ends: the states of the images and of the clips, and its verdict."""

    images: str
    clips: str
    state: str
    verdict: str


ALL_THERE = Ends("acknowledged", "acknowledged", "done", "agrees")

CASES: dict[str, tuple[Callable[[], LyingPeer], Ends]] = {
    "ABORTS": (lambda: LyingPeer(ends_after=12), ALL_THERE),
    "CLOSES": (lambda: LyingPeer(ends_after=12, ends_without_a_word=True), ALL_THERE),
    "MIXES_UP": (lambda: LyingPeer(mixes_up=True), ALL_THERE),
    "IS_FULL_ONCE": (lambda: LyingPeer(script=lambda uid, number: 0xA700 if number == 2 else 0), ALL_THERE),
    "NO_CLIPS": (lambda: LyingPeer(classes=(CT,)), Ends("acknowledged", "refused", "failed", "agrees")),
    "NO_SYNTAX": (
        lambda: LyingPeer(syntaxes=("1.2.840.10008.1.2.4.50",)),
        Ends("refused", "refused", "failed", "unverified"),
    ),
}


@pytest.mark.timeout(300)
def test_law_5_and_10_each_lie_ends_in_the_right_state_and_harms_nobody_else(sending: Sending) -> None:
    """All at once, beside one that stalls for all of the time."""
    stalling = LyingPeer(stalls=True)
    sending.add("STALLS", stalling)
    stalled = sending.order("STALLS")
    assert stalling.is_stalling.wait(LIMIT)
    liars = {name: make() for name, (make, _) in CASES.items()}
    for name, peer in liars.items():
        sending.add(name, peer)
    forgetting = LyingPeer(forgets=frozenset(IMAGES[:2]))
    sending.add("FORGETS", forgetting)
    orders = {name: sending.order(name) for name in liars}
    forgotten = sending.order("FORGETS")
    for name, (_, ends) in CASES.items():
        found, states, peer = sending.ended(orders[name]), sending.states(orders[name]), liars[name]
        assert states == dict.fromkeys(IMAGES, ends.images) | dict.fromkeys(CLIPS, ends.clips), (name, found)
        assert (found["state"], found["account"]["verdict"]) == (ends.state, ends.verdict), (name, found)
        counted = [uid for uid, state in states.items() if state == "acknowledged"]
        assert found["account"]["acknowledged"] == len(counted)
        assert set(counted) <= peer.has.keys(), f"{name} does not have what is counted"
        assert (found["account"]["found"] or 0) == len(peer.has.keys() - peer.forgets)
    # It is asked again for some minutes: it may only be slow. Until then nothing counts as found.
    said = "2 objects that it has acknowledged are not at the destination"
    wait_for(
        lambda: said in sending.delivery(forgotten)["sentence"], lambda: str(sending.delivery(forgotten))
    )
    assert sending.delivery(forgotten)["state"] == "checking"
    assert sending.delivery(forgotten)["account"]["found"] is None
    assert sending.delivery(stalled)["state"] == "sending"
    assert sending.delivery(stalled)["account"]["acknowledged"] == 0
    stalling.may_answer.set()
    assert sending.ended(stalled)["account"]["verdict"] == "agrees"
    assert sorted(stalling.has) == sorted(IMAGES + CLIPS)


@pytest.mark.timeout(300)
def test_law_5_a_destination_is_no_slower_while_others_stall(sending: Sending) -> None:
    studies = {}
    for number in range(4):
        studies[number] = f"1.2.7.{number}"
        store(sending, *study_of(studies[number], 60))
    sending.add("GOOD", Peer(answers_queries=False))

    def seconds(study: str) -> float:
        begun = time.monotonic()
        sending.ended(sending.order("GOOD", study))
        return time.monotonic() - begun

    seconds(studies[0])
    alone = seconds(studies[1])
    stalling = [LyingPeer(stalls=True) for _ in range(4)]
    for number, peer in enumerate(stalling):
        sending.add(f"STALLS_{number}", peer)
        sending.order(f"STALLS_{number}")
    assert all(peer.is_stalling.wait(LIMIT) for peer in stalling)
    beside = min(seconds(studies[2]), seconds(studies[3]))
    for peer in stalling:
        peer.may_answer.set()
    assert beside < 2 * alone + 1, f"{alone:.1f} s alone, {beside:.1f} s beside those that stall"


# --- archives --------------------------------------------------------------------------------------------


def prove(sending: Sending, name: str, status: int = 200) -> Any:
    return sending.asked("POST", f"archives/{sending.peers[name]}/recall", {}, status)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("before", "tells"), [(True, 1), (False, 1), (True, 2), (False, 2)])
def test_law_9_a_result_before_the_response_or_twice_counts_once(
    sending: Sending, before: bool, tells: int
) -> None:
    archive = LyingArchive(tells_before_response=before, tells=tells)
    sending.add("ARCHIVE", archive)
    assert sending.sent("ARCHIVE")["state"] == "done"
    found = sending.commit("ARCHIVE")
    wait_for(lambda: len(archive.answers) == tells, lambda: str(archive.answers))
    assert set(archive.answers) == {0}
    assert (found["evidence"]["committed"], found["suspended"]) == (6, None)
    (request,) = sending.asked("GET", f"archives/{sending.peers['ARCHIVE']}/requests")["items"]
    assert (request["early"], request["repeated"]) == (before, tells - 1)
    assert prove(sending, "ARCHIVE")["identical"]
    assert sending.evict("ARCHIVE")["evicted"] == 6
    assert {sending.read(uid).status_code for uid in IMAGES + CLIPS} == {200}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["fails", "leaves out half", "takes it back"])
def test_law_9_success_and_then_no_commitment_evicts_nothing(sending: Sending, what: str) -> None:
    archive = LyingArchive()
    if what == "fails":
        archive.commits, archive.fails = lambda those: (), lambda those: those
    elif what == "leaves out half":
        archive.commits = lambda those: those[: len(those) // 2]
    sending.add("ARCHIVE", archive)
    found = sending.sent("ARCHIVE")
    assert (found["state"], found["account"]["acknowledged"]) == ("done", 6)
    sending.commit("ARCHIVE")
    if what == "takes it back":
        assert prove(sending, "ARCHIVE")["identical"]
        archive.commits, archive.fails = lambda those: those[1:], lambda those: those[:1]
        archive.tell_again()
    wait_for(lambda: sending.archive("ARCHIVE")["suspended"] is not None, lambda: str(archive.answers))
    said = sending.evict("ARCHIVE")
    assert (said["evicted"], said["kept"]) == (0, 6)
    codes = [each["code"] for each in sending.client.get("/readyz").json()["alerts"]]
    assert codes == ["ARCHIVE_SUSPENDED"]
    assert {sending.read(uid).status_code for uid in IMAGES + CLIPS} == {200}


@pytest.mark.timeout(300)
def test_law_7_half_an_object_that_comes_back_is_not_used(sending: Sending) -> None:
    archive = LyingArchive()
    sending.add("ARCHIVE", archive)
    sending.sent("ARCHIVE")
    sending.commit("ARCHIVE")
    assert prove(sending, "ARCHIVE")["identical"]
    assert sending.evict("ARCHIVE")["evicted"] == 6
    whole = sending.read(IMAGES[0])
    assert whole.status_code == 200

    def half(given: Dataset) -> Dataset:
        given.PixelData = given.PixelData[: len(given.PixelData) // 2]
        return given

    archive.changes = half
    answer = sending.read(IMAGES[1])
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert sending.archive("ARCHIVE")["suspended"]["reason"]
    # The rest of the study stays there, and comes once it is given back whole.
    archive.changes = lambda given: given
    assert {sending.read(uid).status_code for uid in IMAGES[1:] + CLIPS} == {200}
    assert sending.evict("ARCHIVE")["evicted"] == 0
