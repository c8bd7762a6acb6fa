"""Where every face's metrics are gathered for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry()
