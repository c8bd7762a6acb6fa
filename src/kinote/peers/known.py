"""The peers in use, in memory: looked up for every association and every C-MOVE, and never asked of the index there."""

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
from kinote.peers.resolving import HostNames

log = logging.getLogger(__name__)

#: Seconds until it is looked again where nobody has told of a change: a notification can be lost.
_LOOK_EVERY = 20.0

#: Seconds between two looks at least, however often something is committed.
_SPACING = 0.5


@dataclass(frozen=True, slots=True)
class KnownPeers:
    """The peers of one moment, by name and AE title. Where two have a title, the one of the settings goes before."""

    by_name: Mapping[str, Peer]
    #: By the AE titles by which they call.
    callers: Mapping[str, Peer]
    #: By the AE titles by which they are called, each with the endpoint.
    called: Mapping[str, tuple[Peer, Endpoint]]
    #: All hosts from which peers call; None where one may call from anywhere.
    hosts: frozenset[str] | None

    @classmethod
    def of(cls, peers: Iterable[Peer]) -> KnownPeers:
        """Of these peers, none of which has ended."""
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
        """The peer of a name, else the one with this AE title."""
        found = self.by_name.get(name) or self.callers.get(name)
        if found is None and name in self.called:
            found = self.called[name][0]
        return found

    def move_destination(self, ae_title: str) -> Endpoint | None:
        """Where an AE title is called, if its peer is enabled."""
        peer, endpoint = self.called.get(ae_title, (None, None))
        return endpoint if peer is not None and peer.is_enabled else None


NOBODY = KnownPeers.of(())


class PeersInUse:
    """Keeps `known` up to date with the index. `names` resolves the hosts of peers.

    `refresh` is called after every change of this process. `follow` starts to listen to the commits of others.
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
        """These peers, without an index."""
        found = cls(names=names)
        found._take(KnownPeers.of(peers))
        return found

    def refresh(self) -> None:
        """Read the peers anew if they have changed. What is being asked at this moment is answered from before."""
        if self._catalog is None:
            return
        # One after the other, so that an older state never takes the place of a newer one.
        with self._lock, self._catalog.read() as connection:
            revision = peer_rows.revision(connection)
            if revision != self._revision:
                self._take(KnownPeers.of(lists.peers_in_use(connection)))
                self._revision = revision

    def _take(self, known: KnownPeers) -> None:
        self.known = known
        # So that their addresses are there when they call.
        for host in known.hosts or ():
            self.names.prepare(host)

    def may_call_from(self, address: str) -> bool:
        """Whether a peer that we know may call from an address, as far as that can be told without waiting.

        A name that has not been resolved may be any address.
        """
        hosts = self.known.hosts
        return hosts is None or any(self.names.may_be(host, address) for host in hosts)

    def follow(self) -> None:
        """See the changes of other servers, too, until it is closed."""
        assert self._catalog is not None
        self._closing.enter_context(self._catalog.announcements.listening(self._changed.set))
        thread = threading.Thread(target=self._follow, name="peers", daemon=True)
        thread.start()
        self._closing.callback(thread.join)

    def close(self) -> None:
        """End following."""
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
                log.warning("The peers could not be read; it is tried again: %s", error)
            except Exception:  # Whatever it is, changes to come are to be seen.
                if not self._ending.is_set():
                    log.exception("The peers could not be read; it is tried again")
            self._ending.wait(_SPACING)
