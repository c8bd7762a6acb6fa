"""Host names: asked for in the background, remembered for a while, and never for good."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kinote.peers.reaching.resolving import HostNames, canonical, look_up

#: Seconds that something which must happen may take on a busy machine.
LIMIT = 60


class Dns:
    """Name servers that answer as they are told, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answers: dict[str, frozenset[str] | Exception] = {}
        self.asked: Counter[str] = Counter()
        #: Names that are answered for once their event is set.
        self.held: dict[str, threading.Event] = {}
        self.done = threading.Semaphore(0)

    def __call__(self, host: str) -> frozenset[str]:
        self.asked[host] += 1
        if host in self.held:
            self.held[host].wait(LIMIT)
        try:
            answer = self.answers[host]
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.done.release()

    def names(self, patience: float = LIMIT) -> HostNames:
        return HostNames(self, lambda: self.now, patience)


NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_ANSWER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
ONE, TWO = frozenset({"10.0.0.1"}), frozenset({"10.0.0.2"})


@pytest.fixture
def dns() -> Iterator[Dns]:
    made = Dns()
    yield made
    for event in made.held.values():
        event.set()


def test_addresses_are_compared_in_one_form() -> None:
    for written, same in (
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
    ):
        assert canonical(written) == same
    names = HostNames(lambda host: pytest.fail("nobody is asked about an address"))
    assert names.is_at(["10.0.0.1"], "::ffff:10.0.0.1")
    assert names.is_at(["10.0.0.1", "::1"], "10.0.0.2") is False
    assert names.may_be("::1", "::1")


def test_a_name_is_asked_for_once_and_again_after_a_while(dns: Dns) -> None:
    dns.answers["ct"] = ONE
    names = dns.names()
    for _ in range(3):
        assert names.is_at(["ct"], "10.0.0.1")
    assert dns.asked["ct"] == 1
    dns.now += 61
    # At once, by what was known, and asked for in the background.
    dns.held["ct"] = threading.Event()
    assert names.is_at(["ct"], "10.0.0.1")
    dns.held["ct"].set()
    assert dns.done.acquire(timeout=LIMIT) and dns.done.acquire(timeout=LIMIT)
    assert dns.asked["ct"] == 2


@pytest.mark.parametrize(("failure", "told"), [(NO_NAME, False), (NO_ANSWER, None)])
def test_a_failure_is_asked_for_again_after_seconds(dns: Dns, failure: Exception, told: bool | None) -> None:
    dns.answers["ct"] = failure
    names = dns.names()
    assert names.is_at(["ct"], "10.0.0.1") is told
    dns.answers["ct"] = ONE
    assert names.is_at(["ct"], "10.0.0.1") is told
    assert dns.asked["ct"] == 1
    dns.now += 6
    assert names.is_at(["ct"], "10.0.0.1") is True


def test_where_no_thread_can_be_started_a_name_is_asked_for_again(
    dns: Dns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    dns.answers["ct"] = ONE
    names = dns.names()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        assert names.may_be("ct", "10.0.0.1")
        assert names.is_at(["ct"], "10.0.0.1") is None
    dns.now += 6
    assert names.is_at(["ct"], "10.0.0.1") is True


def test_breach_a_failure_that_is_kept_for_good_is_noticed(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinote.peers.reaching.resolving._FIRST_PAUSE", 1e9)
    with pytest.raises(AssertionError):
        test_a_failure_is_asked_for_again_after_seconds(dns, NO_ANSWER, None)


def test_failures_in_a_row_are_asked_for_less_often_up_to_a_minute(dns: Dns) -> None:
    dns.answers["ct"] = NO_ANSWER
    names = dns.names()
    asked_at = []
    for _ in range(300):
        before = dns.asked["ct"]
        names.is_at(["ct"], "10.0.0.1")
        if dns.asked["ct"] > before:
            asked_at.append(dns.now)
        dns.now += 1
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == [5, 10, 20, 40, 60, 60, 60]


def test_a_host_that_has_moved_is_let_in_at_its_new_address(dns: Dns) -> None:
    dns.answers["ct"] = ONE
    names = dns.names()
    assert names.is_at(["ct"], "10.0.0.1")
    dns.answers["ct"] = TWO
    # Within seconds it is not asked for: whoever comes from a wrong address costs the name servers next to nothing.
    assert names.is_at(["ct"], "10.0.0.2") is False
    dns.now += 6
    assert names.is_at(["ct"], "10.0.0.2") is True
    assert names.is_at(["ct"], "10.0.0.1") is False


def test_what_was_found_counts_while_nobody_answers_but_not_for_good(dns: Dns) -> None:
    dns.answers["ct"] = ONE
    names = dns.names()
    assert names.is_at(["ct"], "10.0.0.1")
    dns.answers["ct"] = NO_ANSWER
    for _ in range(30):
        dns.now += 100
        assert names.is_at(["ct"], "10.0.0.1") is True
    dns.now += 700
    assert names.is_at(["ct"], "10.0.0.1") is None


def test_a_name_that_is_gone_counts_no_more(dns: Dns) -> None:
    dns.answers["ct"] = ONE
    names = dns.names()
    assert names.is_at(["ct"], "10.0.0.1")
    dns.answers["ct"] = NO_NAME
    dns.now += 61
    names.prepare("ct")
    assert dns.done.acquire(timeout=LIMIT) and dns.done.acquire(timeout=LIMIT)
    assert names.is_at(["ct"], "10.0.0.1") is False


def test_names_that_nobody_answers_for_hold_up_no_other(dns: Dns) -> None:
    slow = [f"slow{number}" for number in range(12)]
    dns.held = {name: threading.Event() for name in slow}
    dns.answers = {**dict.fromkeys(slow, ONE), "ct": ONE}
    names = dns.names()
    for name in slow:
        names.prepare(name)
    assert names.is_at(["ct"], "10.0.0.1") is True
    assert all(names.may_be(name, "10.9.9.9") for name in slow)
    # Of several hosts one answer is enough.
    assert names.is_at(["ct", "slow1"], "10.0.0.1") is True
    assert max(dns.asked.values()) == 1


def test_who_waits_waits_for_all_names_together(dns: Dns) -> None:
    dns.held = {f"slow{number}": threading.Event() for number in range(8)}
    names = dns.names(patience=0.05)
    assert names.is_at(list(dns.held), "10.0.0.1") is None
    assert set(dns.asked) == set(dns.held)


def test_the_names_of_this_machine_are_found() -> None:
    assert look_up("localhost") & {"127.0.0.1", "::1"}
    with pytest.raises(OSError):
        look_up("no-such-host.invalid")
