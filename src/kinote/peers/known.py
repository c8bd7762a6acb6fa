"""The active peers, kept in memory, so that associations and C-MOVE look them up without a database query."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType

from kinote.catalog.known_systems import peer_rows
from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import Catalog, NoConnectionError
from kinote.peers import lists
from kinote.peers.peer import Endpoint, EndpointKind, Origin, Peer
from kinote.peers.reaching.resolving import HostNames

log = logging.getLogger(__name__)

#: Seconds after which the peers are checked again without a notification, since notifications can be lost.
_LOOK_EVERY = 20.0

#: Minimum seconds between two checks, however often something is committed.
_SPACING = 0.5


@dataclass(frozen=True, slots=True)
class KnownPeers:
    """A snapshot of the active peers by name and AE title. If two share a title, the one of the settings wins."""

    by_name: Mapping[str, Peer]
    #: Peers by their calling AE titles.
    callers: Mapping[str, Peer]
    #: Peers by their called AE titles, with the endpoint.
    called: Mapping[str, tuple[Peer, Endpoint]]
    #: All hosts from which peers call; None if a peer may call from anywhere.
    hosts: frozenset[str] | None

    @classmethod
    def of(cls, peers: Iterable[Peer]) -> KnownPeers:
        """Make a snapshot of these active peers."""
        by_name: dict[str, Peer] = {}
        callers: dict[str, Peer] = {}
        called: dict[str, tuple[Peer, Endpoint]] = {}
        hosts: set[str] = set()
        is_open = False
        for peer in sorted(peers, key=lambda peer: peer.origin != Origin.SETTINGS):
            by_name.setdefault(peer.name, peer)
            for title in peer.ae_titles:
                callers.setdefault(title, peer)
            for endpoint in peer.endpoints:
                if endpoint.kind is EndpointKind.DIMSE and endpoint.ae_title:
                    called.setdefault(endpoint.ae_title, (peer, endpoint))
            if peer.ae_titles and peer.is_enabled:
                hosts.update(peer.hosts)
                is_open = is_open or not peer.hosts
        return cls(
            MappingProxyType(by_name),
            MappingProxyType(callers),
            MappingProxyType(called),
            None if is_open else frozenset(hosts),
        )

    def find(self, name: str) -> Peer | None:
        """Return the peer with this name, else the one with this AE title, else None."""
        found = self.by_name.get(name) or self.callers.get(name)
        if found is None and name in self.called:
            found = self.called[name][0]
        return found

    def peer_called(self, ae_title: str, host: str | None, port: int | None) -> Peer | None:
        """Return the peer that is called by this AE title at this address."""
        peer, endpoint = self.called.get(ae_title, (None, None))
        is_it = endpoint is not None and (endpoint.host, endpoint.port) == (host, port)
        return peer if is_it else None

    def move_destination(self, ae_title: str) -> tuple[Peer, Endpoint] | None:
        """Return the peer and the endpoint with this AE title if the peer is enabled, else None."""
        found = self.called.get(ae_title)
        return found if found is not None and found[0].is_enabled else None


NOBODY = KnownPeers.of(())


class PeersInUse:
    """Keeps `known` up to date with the database. `names` resolves the hosts of peers.

    Call `refresh` after every change in this process. `follow` starts to listen for changes by other processes.
    """

    def __init__(self, catalog: Catalog | None = None, names: HostNames | None = None) -> None:
        self.known = NOBODY
        self.names = names or HostNames()
        self._catalog = catalog
        self._revision = -1
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._ending = threading.Event()
        self._closing = ExitStack()
        if catalog is not None:
            self.refresh()

    @classmethod
    def only(cls, *peers: Peer, names: HostNames | None = None) -> PeersInUse:
        """Hold a fixed set of peers, without a database."""
        found = cls(names=names)
        found._take(KnownPeers.of(peers))
        return found

    def refresh(self) -> None:
        """Read the peers again if they have changed. Requests in progress keep using the old ones."""
        if self._catalog is None:
            return
        # One at a time, so that an older state never replaces a newer one.
        with self._lock, self._catalog.read() as connection:
            revision = peer_rows.revision(connection)
            if revision != self._revision:
                self._take(KnownPeers.of(lists.peers_in_use(connection)))
                self._revision = revision

    def _take(self, known: KnownPeers) -> None:
        self.known = known
        # Resolved in advance, before the peers call.
        for host in known.hosts or ():
            self.names.prepare(host)

    def may_call_from(self, address: str) -> bool:
        """Return whether a known peer may call from an address, without waiting.

        A host name that has not been resolved yet matches any address.
        """
        hosts = self.known.hosts
        return hosts is None or any(self.names.may_be(host, address) for host in hosts)

    def only_peer_at(self, address: str) -> Peer | None:
        """Return the peer that calls from an address if there is exactly one, without waiting for a name server."""
        if not address:
            return None
        found = [
            peer
            for peer in self.known.by_name.values()
            if peer.is_enabled and any(self._is_at(host, address) for host in peer.hosts)
        ]
        return found[0] if len(found) == 1 else None

    def _is_at(self, host: str, address: str) -> bool:
        try:
            return self.names.may_be(host, address)
        except ValueError:
            # No address of a network: a Unix socket, or a client of a test.
            return False

    def follow(self) -> None:
        """Also follow changes by other servers, in a thread that runs until `close`."""
        assert self._catalog is not None
        self._closing.enter_context(self._catalog.announcements.listening(self._changed.set))
        thread = threading.Thread(target=self._follow, name="peers", daemon=True)
        thread.start()
        self._closing.callback(thread.join)

    def close(self) -> None:
        """Stop following changes and resolving names."""
        self._ending.set()
        self._changed.set()
        self._closing.close()
        self.names.close()

    def _follow(self) -> None:
        while not self._ending.is_set():
            self._changed.wait(_LOOK_EVERY)
            self._changed.clear()
            try:
                self.refresh()
            except (NoConnectionError, IndexUnavailableError) as error:
                log.warning("The peers could not be read; trying again: %s", error)
            except Exception:  # Whatever it is, later changes must still be seen.
                if not self._ending.is_set():
                    log.exception("The peers could not be read; trying again")
            self._ending.wait(_SPACING)
