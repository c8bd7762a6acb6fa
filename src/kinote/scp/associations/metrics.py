"""Metrics of the DICOM interface, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from kinote.scp.associations.report import RELEASED, AssociationReport
from kinote.telemetry.registry import REGISTRY

_ASSOCIATIONS = Histogram(
    "kinote_dicom_association_seconds",
    "How long associations of others lasted, by how they ended.",
    ["ended"],
    registry=REGISTRY,
    buckets=(0.01, 0.1, 1, 10, 60, 600, 3600),
)
_OPERATIONS = Counter(
    "kinote_dicom_operations",
    "DICOM operations that others asked for, by what became of them.",
    ["service", "outcome"],
    registry=REGISTRY,
)
_BYTES = Counter(
    "kinote_dicom_bytes", "Bytes on associations of others that have ended.", ["direction"], registry=REGISTRY
)
_REFUSED = Counter(
    "kinote_dicom_refused", "Connections that did not become an association.", ["why"], registry=REGISTRY
)

_RECEIVERS = Gauge(
    "kinote_receiver_processes", "Receiver processes that are ready to take associations.", registry=REGISTRY
)
_RECEIVER_ENDS = Counter(
    "kinote_receiver_process_ends",
    "Receiver processes that ended, or could not be begun, without having been told to end.",
    registry=REGISTRY,
)


def observe_association(report: AssociationReport) -> None:
    """Count an association that has ended, and its operations."""
    _ASSOCIATIONS.labels("released" if report.ended == RELEASED else "broken").observe(report.seconds)
    for (service, outcome), count in report.done.items():
        _OPERATIONS.labels(service, outcome).inc(count)
    _BYTES.labels("in").inc(report.received)
    _BYTES.labels("out").inc(report.sent)


def observe_refusal(why: str) -> None:
    """Count a connection that was `rejected`, `failed` before there was an association, or was `Refused`."""
    _REFUSED.labels(why).inc()


def observe_receivers(ready: int) -> None:
    """Set the number of receiver processes that are ready."""
    _RECEIVERS.set(ready)


def observe_receiver_end() -> None:
    """Count a receiver process that has ended unexpectedly."""
    _RECEIVER_ENDS.inc()
