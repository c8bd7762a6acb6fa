"""Who may do what until people sign in."""

from __future__ import annotations

import pytest

from kinote.security import rights
from kinote.security.actors import KINOTE, Actor, ActorKind, command_actor
from kinote.security.policy import NotAllowedError, Policy
from kinote.security.rights import MEANINGS, Right
from tests.actors import OPEN, ROE
from tests.project.pages import rows, sections

NAMED = Actor(ActorKind.PEER, "PACS", "192.0.2.7")

#: The peer is named for rejecting, at this address.
POLICY = Policy(rights_of=lambda peer: {Right.REJECT} if peer == NAMED else set())


@pytest.mark.parametrize("actor", [ROE, KINOTE, command_actor("root")], ids=str)
@pytest.mark.parametrize("right", Right)
def test_everybody_but_peers_may_do_everything(actor: Actor, right: Right) -> None:
    assert OPEN.allowed(actor, right)
    OPEN.require(actor, right)


@pytest.mark.parametrize(
    ("peer", "right", "is_allowed"),
    [
        (NAMED, Right.STORE, True),
        (NAMED, Right.REJECT, True),
        (NAMED, Right.CORRECT, False),
        (Actor(ActorKind.PEER, "PACS", "192.0.2.8"), Right.REJECT, False),
        (Actor(ActorKind.PEER, "OTHER", "192.0.2.7"), Right.REJECT, False),
        (Actor(ActorKind.PEER, "OTHER", "192.0.2.7"), Right.READ, True),
    ],
)
def test_a_peer_rejects_and_corrects_only_if_it_is_named_for_it(
    peer: Actor, right: Right, is_allowed: bool
) -> None:
    assert POLICY.allowed(peer, right) is is_allowed
    assert (right in POLICY.granted(peer)) is is_allowed
    if not is_allowed:
        with pytest.raises(NotAllowedError, match=f"the right {right}: to {MEANINGS[right]}"):
            POLICY.require(peer, right)


def test_a_peer_that_is_named_meanwhile_may_do_it_at_once() -> None:
    named: set[Right] = set()
    policy = Policy(rights_of=lambda peer: named)
    assert not policy.allowed(NAMED, Right.REJECT)
    named.add(Right.REJECT)
    assert policy.allowed(NAMED, Right.REJECT)


def test_every_right_is_put_in_words_and_is_of_use() -> None:
    assert set(MEANINGS) == set(Right)
    taken = {*rights.REQUESTS.values(), *rights.SERVICES.values(), *rights.COMMANDS.values()}
    # It is taken by what a message says, not by the request that brings it.
    assert set(Right) - taken == {Right.CORRECT}


def test_every_right_is_documented() -> None:
    documented = {
        row[0].strip("`"): row[1] for row in rows(sections("security.md")["Rights"]) if len(row) == 3
    }
    assert documented == {str(right): MEANINGS[right] for right in Right}
