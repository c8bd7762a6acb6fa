"""Fetching from other systems, with our AE title and credentials."""

from __future__ import annotations

from kinote.app.application import Application
from kinote.delivery.orders.ways.calling import Calling
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSources
from kinote.settings.model import Settings


def fetching(application: Application, settings: Settings) -> tuple[NamedSources, Fetches]:
    """Return the systems from which this server may fetch, and the object that fetches."""
    options = settings.scp_options()
    title = options.titles[0]
    # A command does not listen: nothing can be moved to it.
    moves_to = title if application.node else ""
    shown = Calling(title, options.tls, settings.authorization_folder).authorization
    named = NamedSources(application.catalog, application.peers, title, options.tls, moves_to, shown)
    return named, Fetches(application.catalog, application.receiver, application.clock)
