"""Fetching from other systems, with our AE title and credentials."""

from __future__ import annotations

from kinote.app.house import House
from kinote.delivery.orders.calling import Calling
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSources
from kinote.settings.model import Settings


def fetching(house: House, settings: Settings) -> tuple[NamedSources, Fetches]:
    """Return the systems from which this server may fetch, and the object that fetches."""
    options = settings.scp_options()
    title = options.titles[0]
    # A command does not listen: nothing can be moved to it.
    moves_to = title if house.node else ""
    shown = Calling(title, options.tls, settings.authorization_folder).authorization
    named = NamedSources(house.catalog, house.peers, title, options.tls, moves_to, shown)
    return named, Fetches(house.catalog, house.receiver, house.clock)
