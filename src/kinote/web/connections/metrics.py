"""Metrics of HTTP connections, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from kinote.telemetry.registry import REGISTRY
from kinote.web.connections.admission import Refusal

_CONNECTIONS = Gauge("kinote_http_connections", "HTTP connections that are open.", registry=REGISTRY)
_REFUSED = Counter(
    "kinote_http_refused",
    "HTTP connections and requests that were refused or ended for what they take.",
    ["why"],
    registry=REGISTRY,
)

_BY_REASON = {why: _REFUSED.labels(why.value) for why in Refusal}


def observe_connections(number: int) -> None:
    """Set the number of open connections."""
    _CONNECTIONS.set(number)


def observe_refusal(why: Refusal) -> None:
    """Count what was refused."""
    _BY_REASON[why].inc()
