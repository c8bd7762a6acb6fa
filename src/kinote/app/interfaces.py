"""The interfaces of an open application, HTTP and DICOM, and the rights on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial

from fastapi import FastAPI

from kinote.alerting.telling import send_test
from kinote.app.application import Application, ApplicationError
from kinote.app.background import JOB_KINDS
from kinote.app.fetching import fetching
from kinote.app.health import health_of
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.archives.results import ResultTaker
from kinote.dimse.associations.acceptor import AddressTakenError
from kinote.dimse.operations.offered import Offered
from kinote.dimse.transport.tls import TlsFileError
from kinote.holdings.health import Alert
from kinote.holdings.journal.comparing import compare
from kinote.holdings.law_check import check_after
from kinote.holdings.removing.removal import remove_remembered
from kinote.holdings.scrubbing.scrub import scrub_after
from kinote.intake.packets.taking_on import Channels
from kinote.lifecycle.rejection.rules import RejectionRules
from kinote.migration.folders.scan import FolderScans
from kinote.migration.following.followed import note_opened
from kinote.notes.registrar.opened_first import read_first
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from kinote.peers.reaching.accepting import Accepted, accepted_by
from kinote.peers.reaching.calling import Caller
from kinote.peers.reaching.probing import Answer, probe
from kinote.retention.headroom import Volume
from kinote.scp import rooms as scp_rooms
from kinote.scp.availability.taking import availability_offers
from kinote.scp.commitment.asked import CommitmentProvider
from kinote.scp.receiving.messages import Beginning
from kinote.scp.receiving.processes import ReceiverProcesses
from kinote.scp.server import DicomServer
from kinote.security.actors import Actor
from kinote.security.openid.provider import Provider
from kinote.security.openid.room import OpenId
from kinote.security.policy import Policy
from kinote.security.rights import Right
from kinote.security.sign_in.identifying import SignIn
from kinote.settings.model import Settings
from kinote.storage.journal_files import journal_folder
from kinote.storage.volume import room_of
from kinote.telemetry.clock import Clock
from kinote.web.application import Rooms, WebOptions, create_application


def policy(application: Application) -> Policy:
    """Return the rights of actors, including those that peers are named for."""
    return Policy(rights_of=partial(_rights_of, application.peers))


def rejection_rules(settings: Settings, peers: PeersInUse) -> RejectionRules:
    """Return what rejection notes of others may do: by the settings, and by the right of their sender at that time."""
    allowed = Policy(rights_of=partial(_rights_of, peers)).allowed
    return settings.rejection_rules(lambda actor: allowed(actor, Right.REJECT))


def _rights_of(peers: PeersInUse, caller: Actor) -> frozenset[Right]:
    """Return the rights that a peer is named for, by its AE title. Its host is checked when its association is
    accepted.
    """
    peer = peers.known.callers.get(caller.name)
    if peer is None and (named := peers.known.by_name.get(caller.name)) is not None:
        # We have fetched from it, by DICOMweb.
        peer = named if any(each.url == caller.address for each in named.endpoints) else None
    if peer is None or not peer.is_enabled:
        return frozenset()
    return frozenset(Right(right.value) for right in peer.rights)


def sign_in(application: Application, settings: Settings) -> SignIn | None:
    """Return how people sign in at a server; None if nobody needs to."""
    if settings.authentication == "none":
        return None
    return SignIn(
        application.catalog, application.clock, session_lasts=timedelta(hours=settings.session_hours)
    )


def _openid(application: Application, settings: Settings) -> OpenId | None:
    options = settings.openid_options(settings.tls_authorities)
    if options is None:
        return None
    lasts = timedelta(hours=settings.session_hours)
    return OpenId.of(
        Provider(options, application.clock), application.catalog, application.clock, application.trail, lasts
    )


def web_application(
    application: Application,
    settings: Settings,
    alerts: Callable[[], Sequence[Alert]] = tuple,
    *,
    sign_in: SignIn | None = None,
) -> FastAPI:
    """Return the HTTP application. Its alerts include `alerts` of other parts.

    Without `sign_in`, everybody has all rights, as anybody who can run commands on the data directory has.
    """
    rooms = Rooms(
        catalog=application.catalog,
        receiver=application.receiver,
        door=application.door,
        clock=application.clock,
        policy=policy(application),
        health=partial(health_of, application, settings, alerts),
        prove=partial(_prove, application),
        sign_in=sign_in,
        openid=None if sign_in is None else _openid(application, settings),
        is_owner=partial(_is_owner, application),
        trail=application.trail,
        scrub=partial(
            scrub_after,
            application.catalog,
            application.stores,
            application.clock,
            store_is_there=application.store_is_there,
        ),
        check_laws=lambda position: check_after(
            application.catalog, application.stores, position, application.store_is_there
        ),
        compare_journal=lambda: compare(application.catalog, journal_folder(application.directory.path)),
        backups=application.backups,
        # Commands, which may only read, leave that to servers.
        study_opened=(partial(_opened, application) if application.node else lambda study: None),
        fetching=fetching(application, settings),
        scans=FolderScans(
            application.catalog,
            application.receiver,
            application.stores,
            application.clock,
            application.directory.path,
        ),
        purge_delays=settings.purge_delays(),
        volume=lambda: Volume(*room_of(application.directory.path)),
        job_kinds=JOB_KINDS,
        peers=application.peers,
        record_for=application.ledger.record_for,
        write_ledger=application.ledger.write,
        recaller=application.recaller,
        remove_evicted=partial(remove_remembered, application.catalog, application.stores),
        probe=partial(_probe, settings),
        accepted_by=partial(_accepted_by, settings),
        test_alerts=partial(send_test, settings.alert_options(), application.clock),
        rejections=rejection_rules(settings, application.peers),
        options=WebOptions(
            allowed_hosts=settings.http_hosts(),
            allowed_origins=settings.allowed_origins,
            hosts_needed=settings.hosts_needed(),
            requests_per_client=settings.http_requests_per_client,
            undo_window=timedelta(seconds=settings.undo_seconds),
            second_person=settings.second_person,
        ),
    )
    return create_application(rooms)


def _probe(settings: Settings, name: str, endpoint: Endpoint) -> Answer:
    options = settings.scp_options()
    return probe(name, endpoint, options.titles[0], options.tls)


def _accepted_by(settings: Settings, endpoint: Endpoint) -> Accepted:
    options = settings.scp_options()
    return accepted_by(Caller(endpoint.entity, options.titles[0], options.tls))


def _receivers(application: Application, settings: Settings) -> ReceiverProcesses | None:
    number = settings.receivers()
    if not number:
        return None
    limits = settings.scp_options().limits
    return ReceiverProcesses(
        number,
        Channels(application.receiver),
        Beginning(
            application.stores.large,
            limits.largest_object,
            limits.largest_pdu,
            settings.memory_of_each_process(),
        ),
        application.clock,
        # What they write has the mark of this process, so it is protected as long as one of them lives.
        inherited=[application.presence.descriptor] if application.presence is not None else [],
    )


def _opened(application: Application, study_instance_uid: str) -> None:
    """Prepare a study that somebody opens: load what is known, and ask followed peers."""
    read_first(application.catalog, application.door, study_instance_uid, clock=application.clock)
    note_opened(application.catalog, study_instance_uid, application.clock)


def _prove(application: Application, challenge: str) -> str | None:
    announcement = application.directory.announcement
    return announcement.proof(challenge) if announcement else None


def _is_owner(application: Application, proof: str) -> bool:
    announcement = application.directory.announcement
    return announcement is not None and announcement.is_of_owner(proof)


def normalized_services(catalog: Catalog, clock: Clock, peers: PeersInUse) -> Offered:
    """Return the normalized services that peers may ask for."""
    return Offered(
        [
            *availability_offers(catalog, peers, clock),
            CommitmentProvider(catalog, clock, peers).offer(),
            ResultTaker(catalog, clock, peers).offer(),
        ]
    )


def dicom_server(
    application: Application, settings: Settings, associations: int, unassociated: int
) -> DicomServer:
    """Start the DICOM server. Raises `ApplicationError` if it cannot listen.

    There are file descriptors for `associations`, and for `unassociated` connections.
    """
    options = settings.scp_options()
    limits = options.limits.within(associations, unassociated)
    rooms = scp_rooms.Rooms(
        application.catalog,
        application.receiver,
        application.door,
        replace(options, limits=limits),
        policy(application),
        application.peers,
        normalized=normalized_services(application.catalog, application.clock, application.peers),
        record_for=application.ledger.record_for,
        trail=application.trail,
        sign_in=sign_in(application, settings),
    )
    receivers = _receivers(application, settings)
    try:
        with ExitStack() as failing:
            if receivers is not None:
                failing.callback(receivers.close)
            server = DicomServer(rooms, receivers)
            failing.pop_all()
            return server
    except AddressTakenError as error:
        raise ApplicationError(f"{error}. Choose another port with --dicom-port.") from error
    except TlsFileError as error:
        raise ApplicationError(str(error)) from error
