"""A followed peer is asked for what comes here and is opened; one that does not answer, or lies, harms nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from kinote.app import open_application
from kinote.app.application import Application
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.intake.expected import InStudy
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSources
from kinote.migration.following.followed import (
    CannotFollowError,
    Wants,
    follow,
    listed,
    note_opened,
    unfollow,
)
from kinote.migration.following.follower import Follower
from kinote.peers import acts
from kinote.peers.peer import Endpoint, EndpointKind, WantedPeer
from kinote.security.origins import Interface, Origin
from kinote.settings.model import Settings
from tests.actors import ROE
from tests.migration.hostile import Hostile
from tests.migration.test_folders import IMAGES, image
from tests.migration.test_hostile_sources import KO, UID, here, one_study, part

STUDY = "1.2.1"
PEER = "Old"


class Site:
    """A store that follows one peer, step by step, at times that the test says."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.now = datetime(2026, 11, 30, 12, tzinfo=UTC)
        self.named = NamedSources(application.catalog, application.peers, "KINOTE", NO_CERTIFICATES)

    def clock(self) -> datetime:
        return self.now

    def add_peer(self, address: str) -> None:
        endpoint = Endpoint(EndpointKind.DICOMWEB, url=f"http://{address}/dicom-web")
        wanted = WantedPeer(PEER, endpoints=(endpoint,))
        self.application.catalog.write(
            lambda transaction: acts.add_peer(transaction, wanted, self.now, hosts_needed=False, by=ROE)
        )
        self.application.peers.refresh()

    def follow(self, wants: Wants = "notes", *, has_feed: bool = False) -> Follower:
        key = self.application.catalog.write(
            partial(follow, name=PEER, wants=wants, has_feed=has_feed, by=ROE, now=self.now)
        )
        follower = Follower(
            self.application.catalog,
            self.named,
            Fetches(
                self.application.catalog, self.application.receiver, self.clock, wait=lambda seconds: None
            ),
            self.clock,
            key=key,
            node="here",
            every=timedelta(hours=1),
            is_ending=lambda: False,
        )
        follower.step()
        return follower

    def take(self, file: bytes) -> None:
        upload = self.application.receiver.open(Origin(Interface.STOW, ROE), InStudy())
        upload.write(file)
        assert upload.finish().result().succeeded

    def pass_time(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def state(self) -> tuple[str, int]:
        with self.application.catalog.read() as connection:
            (found,) = listed(connection)
        return found["problem"], found["studies_waiting"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_application(Settings.model_validate({"data": tmp_path / "data"}), "work") as opened:
        yield Site(opened)


def asked_for(handler: type[Hostile]) -> list[str]:
    """The studies whose series were asked for since the last time."""
    found = [path.split("/")[2] for path in handler.asked if path.endswith("/series")]
    handler.asked.clear()
    return found


def test_a_study_is_asked_for_when_it_comes_and_at_intervals(
    site: Site, hostile: tuple[str, type[Hostile]]
) -> None:
    address, handler = hostile
    site.add_peer(address)
    follower = site.follow()
    site.take(image(IMAGES[0]))
    follower.step()
    # Its objects come one after the other: nothing is asked for before it is quiet.
    assert not asked_for(handler)
    site.pass_time(seconds=6)
    follower.step()
    # The peer does not know the study, which is no problem.
    assert asked_for(handler) == [STUDY]
    assert site.state() == ("", 1)
    handler.answers.update(one_study(STUDY, "1.2.1.9", UID, KO))
    follower.step()
    assert not asked_for(handler)
    site.pass_time(hours=1)
    follower.step()
    assert asked_for(handler) == [STUDY]
    assert here(site.application) == {IMAGES[0], UID}
    # What has come from there makes it asked for once more, and brings nothing: it comes to rest.
    for _ in range(9):
        site.pass_time(days=1)
        follower.step()
    assert site.state() == ("", 0)
    assert here(site.application) == {IMAGES[0], UID}


def test_flagged_images_come_when_somebody_opens_the_study(
    site: Site, hostile: tuple[str, type[Hostile]]
) -> None:
    address, handler = hostile
    site.add_peer(address)
    follower = site.follow("images")
    handler.answers.update(one_study(STUDY, "1.2.1.9", UID, KO))
    path = f"/studies/{STUDY}/series/1.2.1.1/instances/{IMAGES[0]}"
    handler.answers[path] = part(image(IMAGES[0]))
    site.take(image(IMAGES[1]))
    follower.step()
    site.pass_time(seconds=6)
    follower.step()
    assert here(site.application) == {IMAGES[1], UID}
    site.pass_time(minutes=2)
    opened = note_opened(site.application.catalog, STUDY, site.clock)
    assert opened is not None
    opened.result()
    # Once more at once, it is not noted again.
    assert note_opened(site.application.catalog, STUDY, site.clock) is None
    follower.step()
    assert here(site.application) == {IMAGES[0], IMAGES[1], UID}, handler.asked


def test_law_5_a_study_that_is_not_answered_for_waits_longer_each_time(
    site: Site,
    hostile: tuple[str, type[Hostile]],
) -> None:
    address, handler = hostile
    site.add_peer(address)
    follower = site.follow()
    handler.answers[f"/studies/{STUDY}/series"] = (500, b"")
    site.take(image(IMAGES[0]))
    follower.step()
    times = 0
    for _ in range(100):
        site.pass_time(minutes=1)
        follower.step()
        times += bool(asked_for(handler))
    assert 5 < times < 15
    assert "status 500" in site.state()[0]
    # It is asked for within an hour of when the peer answers again.
    handler.answers.update(one_study(STUDY, "1.2.1.9", UID, KO))
    site.pass_time(hours=1, minutes=1)
    follower.step()
    assert UID in here(site.application)
    assert site.state()[0] == ""


@pytest.mark.parametrize(
    ("code", "body", "problem"),
    [
        (500, b"", "status 500"),
        (200, b"[]", "status 200"),
        (200, b'{"items": [{"kind": "note made", "position": "no"}]}', "without a position"),
        (200, b'{"items": [7]}', "no change"),
    ],
    ids=["an error", "no feed", "no position", "no changes"],
)
def test_law_5_a_feed_that_is_none_is_said(
    site: Site,
    hostile: tuple[str, type[Hostile]],
    code: int,
    body: bytes,
    problem: str,
) -> None:
    address, handler = hostile
    endpoint = Endpoint(EndpointKind.DICOMWEB, url=f"http://{address}/dicomweb")
    site.application.catalog.write(
        lambda transaction: acts.add_peer(
            transaction, WantedPeer(PEER, endpoints=(endpoint,)), site.now, hosts_needed=False, by=ROE
        )
    )
    site.application.peers.refresh()
    handler.answers["/api/v1/changes"] = (code, body)
    site.follow(has_feed=True)
    assert problem in site.state()[0]


def test_what_cannot_be_followed_is_said(site: Site, hostile: tuple[str, type[Hostile]]) -> None:
    with pytest.raises(CannotFollowError, match="no peer called"):
        site.follow()
    site.add_peer(hostile[0])
    with pytest.raises(CannotFollowError, match="ends with /dicomweb"):
        site.follow(has_feed=True)
    site.follow()
    site.follow("images")
    with site.application.catalog.read() as connection:
        (found,) = listed(connection)
    assert found["wants"] == "images"
    assert site.application.catalog.write(partial(unfollow, key=found["id"]))
    assert not site.application.catalog.write(partial(unfollow, key=found["id"]))
