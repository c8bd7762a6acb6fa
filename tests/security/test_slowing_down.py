"""Who guesses passwords waits longer and longer, whatever is guessed; and nobody else does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kinote.security.sign_in.slowing_down import OF_ADDRESS, OF_LOGIN, SlowDownError, SlowingDown


class Steady:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture
def slowing(steady: Steady) -> SlowingDown:
    return SlowingDown(steady, most=100)


def waited(attempt: Callable[[], None]) -> int:
    """For how long an attempt is refused; 0 for one that is looked at."""
    try:
        attempt()
    except SlowDownError as error:
        return error.seconds
    return 0


def test_some_failures_are_free_and_each_further_one_costs_twice_as_much(
    slowing: SlowingDown, steady: Steady
) -> None:
    waits = []
    for number in range(OF_LOGIN.free + 12):
        # From many addresses: the login counts by itself.
        address = f"192.0.2.{number}"
        if wait := waited(lambda address=address: slowing.begin("rhea", address)):  # type: ignore[misc]
            waits.append(wait)
            steady.now += wait
            slowing.begin("rhea", address)
    assert waits == [2, 3, 5, 9, 17, 33, 65, 129, 257, 301, 301]
    assert waited(lambda: slowing.begin("other", "192.0.2.1")) == 0


def test_an_attempt_that_comes_too_soon_does_not_count(slowing: SlowingDown, steady: Steady) -> None:
    for _ in range(OF_LOGIN.free + 1):
        slowing.begin("rhea", "192.0.2.1")
    for _ in range(50):
        assert waited(lambda: slowing.begin("rhea", "192.0.2.1")) == 2
    steady.now += 2
    slowing.begin("rhea", "192.0.2.1")


def test_many_attempts_at_once_count_before_any_has_ended(slowing: SlowingDown) -> None:
    outcomes = [waited(lambda: slowing.begin("rhea", "192.0.2.1")) for _ in range(100)]
    assert outcomes.count(0) == OF_LOGIN.free + 1


def test_an_address_that_tries_many_logins_is_slowed_down(slowing: SlowingDown) -> None:
    outcomes = [waited(lambda n=n: slowing.begin(f"user{n}", "192.0.2.1")) for n in range(60)]  # type: ignore[misc]
    assert outcomes.count(0) == OF_ADDRESS.free + 1
    assert waited(lambda: slowing.begin("user1", "192.0.2.2")) == 0


def test_all_addresses_of_an_ipv6_client_are_one(slowing: SlowingDown) -> None:
    outcomes = [waited(lambda n=n: slowing.begin(f"user{n}", f"2001:db8::{n:x}")) for n in range(60)]  # type: ignore[misc]
    assert outcomes.count(0) == OF_ADDRESS.free + 1
    assert waited(lambda: slowing.begin("a", "2001:db8:0:1::1")) == 0
    assert waited(lambda: slowing.begin("b", "::ffff:192.0.2.9")) == 0


def test_success_forgets_the_failures_of_a_login_and_not_those_of_an_address(slowing: SlowingDown) -> None:
    for number in range(OF_ADDRESS.free):
        slowing.begin(f"user{number}", "192.0.2.1")
    slowing.begin("own", "192.0.2.1")
    slowing.succeeded("own", "192.0.2.1")
    slowing.begin("own", "192.0.2.1")
    assert waited(lambda: slowing.begin("own", "192.0.2.1")) > 0


def test_failures_are_forgotten_after_an_hour(slowing: SlowingDown, steady: Steady) -> None:
    for _ in range(OF_LOGIN.free + 1):
        slowing.begin("rhea", "192.0.2.1")
    steady.now += 3601
    outcomes = [waited(lambda: slowing.begin("rhea", "192.0.2.1")) for _ in range(OF_LOGIN.free)]
    assert outcomes == [0] * OF_LOGIN.free


def test_memory_is_bounded(slowing: SlowingDown) -> None:
    for number in range(1000):
        slowing.begin(f"user{number}", f"198.51.{number // 250}.{number % 250}")
    assert len(slowing._logins) == len(slowing._addresses) == 100
