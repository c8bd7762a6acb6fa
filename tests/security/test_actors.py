"""Actors as columns of rows, as owners of keys, and in sentences."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from kinote.intake.receiver import Receiver
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.notes.acts.make import make
from kinote.notes.acts.revise import revise
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.copies.deciding import decide
from kinote.notes.registrar.reading_again import read_again
from kinote.security.actors import KINOTE, Actor, ActorKind, command_actor
from kinote.security.origins import Interface, Origin, shown_origin
from tests.actors import ROE

PEER = Actor(ActorKind.PEER, "CT", "192.0.2.7")


@pytest.mark.parametrize("actor", [ROE, PEER, KINOTE, command_actor("root")], ids=str)
def test_an_actor_is_read_from_its_columns(actor: Actor) -> None:
    columns = actor.columns("by")
    assert list(columns) == ["by_kind", "by_name", "by_address"]
    assert Actor.stored(*columns.values()) == actor


@pytest.mark.parametrize(
    ("stored", "actor"),
    [
        (("", "roe", ""), Actor(ActorKind.PERSON, "roe", "")),
        (("", "", ""), None),
        ((None, None, None), None),
    ],
)
def test_rows_of_earlier_versions_name_a_person_or_nobody(
    stored: tuple[str | None, ...], actor: Actor | None
) -> None:
    assert Actor.stored(*stored) == actor


@pytest.mark.parametrize(
    ("one", "other", "are_the_same"),
    [
        (ROE, Actor(ActorKind.PERSON, "roe", "192.0.2.1"), True),
        (ROE, Actor(ActorKind.PERSON, "doe", "127.0.0.1"), False),
        (ROE, Actor(ActorKind.SYSTEM, "roe", "127.0.0.1"), False),
        (PEER, Actor(ActorKind.PEER, "CT", "192.0.2.8"), False),
    ],
)
def test_one_identity_is_one_actor_wherever_a_person_is(one: Actor, other: Actor, are_the_same: bool) -> None:
    assert (one.identity == other.identity) is are_the_same


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (ROE, "roe (127.0.0.1)"),
        (Actor(ActorKind.PERSON, "", "127.0.0.1"), "an unnamed person (127.0.0.1)"),
        (Actor(ActorKind.PERSON, "roe", ""), "roe"),
        (PEER, "the peer CT (192.0.2.7)"),
        (command_actor("root"), "the program kinote-command/root"),
        (KINOTE, "Kinote itself"),
    ],
)
def test_an_actor_in_words(actor: Actor, words: str) -> None:
    assert str(actor) == words


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin(Interface.C_STORE, PEER), "C-STORE CT"),
        (Origin(Interface.STOW, Actor(ActorKind.PERSON, "", "192.0.2.7")), "STOW-RS 192.0.2.7"),
    ],
)
def test_an_origin_in_words(origin: Origin, words: str) -> None:
    row = origin.columns()
    assert shown_origin(row["received_from"], row["brought_by_name"], row["brought_by_address"]) == words
    assert shown_origin("C-STORE CT", "", "") == "C-STORE CT"


@pytest.mark.parametrize(
    ("act", "parameter"),
    [
        (make, "by"),
        (revise, "by"),
        (withdraw_note, "by"),
        (withdraw, "by"),
        (undo, "by"),
        (decide, "by"),
        (read_again, "by"),
        (Receiver.open, "origin"),
    ],
)
def test_there_is_no_act_without_an_actor(act: Callable[..., Any], parameter: str) -> None:
    assert inspect.signature(act).parameters[parameter].default is inspect.Parameter.empty
