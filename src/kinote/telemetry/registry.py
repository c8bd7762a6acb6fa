"""The Prometheus registry of all interfaces' metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry()
