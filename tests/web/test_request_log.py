"""What the log says of each request: from where, and who had signed in; nothing that was only claimed."""

from __future__ import annotations

import pytest

from kinote.security.actors import Actor, ActorKind, IdentifiedActor
from kinote.web.requests.actor import IDENTIFIED
from kinote.web.requests.request_log import _who

CLIENT = ("10.1.2.3", 5000)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (
            {"client": CLIENT, IDENTIFIED: IdentifiedActor(ActorKind.PERSON, "rhea", "10.1.2.3")},
            ("10.1.2.3", "rhea"),
        ),
        (
            {"client": CLIENT, IDENTIFIED: IdentifiedActor(ActorKind.PERSON, "", "10.1.2.3")},
            ("10.1.2.3", None),
        ),
        ({"client": CLIENT, IDENTIFIED: Actor(ActorKind.PERSON, "Claimed^Name", "")}, ("10.1.2.3", None)),
        ({"client": CLIENT}, ("10.1.2.3", None)),
        ({"client": None}, (None, None)),
    ],
    ids=["signed in", "nobody", "claimed", "before anybody was looked for", "no network"],
)
def test_a_request_is_logged_with_its_client_and_user(
    scope: object, said: tuple[str | None, str | None]
) -> None:
    assert isinstance(scope, dict)
    found = _who(scope)
    assert (found.get("client"), found.get("user")) == said
