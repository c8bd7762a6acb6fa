"""Chooses how to send to an endpoint and how to query it, by its kind."""

from __future__ import annotations

from kinote.delivery.orders.rows import Delivery
from kinote.delivery.orders.ways.by_folder import ByFolder, ByLooking
from kinote.delivery.orders.ways.by_web import ByQido, ByStow
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.orders.ways.carriers import ByDimse, Carrier
from kinote.delivery.orders.ways.finders import ByFind, Finder, NotQueryableError
from kinote.peers.peer import EndpointKind


def carrier(delivery: Delivery, calling: Calling) -> Carrier:
    """Return the carrier for the destination of a delivery. Raises `ValueError` if there is none for its kind."""
    endpoint, to = delivery.endpoint, delivery.to
    match endpoint.kind:
        case EndpointKind.DIMSE:
            return ByDimse(endpoint, to.policy, calling)
        case EndpointKind.DICOMWEB:
            return ByStow(endpoint, to.policy, calling, to.peer_name)
        case EndpointKind.FOLDER:
            return ByFolder(endpoint)
    raise ValueError(f"Objects cannot be sent to an endpoint of the kind {endpoint.kind}.")


def finder(delivery: Delivery, calling: Calling) -> Finder:
    """Return the finder for the destination of a delivery. Raises `NotQueryableError` if there is none for its kind."""
    endpoint = delivery.endpoint
    match endpoint.kind:
        case EndpointKind.DIMSE:
            return ByFind(endpoint, calling)
        case EndpointKind.DICOMWEB:
            return ByQido(endpoint, calling, delivery.to.peer_name)
        case EndpointKind.FOLDER:
            return ByLooking(endpoint)
    raise NotQueryableError(f"An endpoint of the kind {endpoint.kind} cannot be asked.")
