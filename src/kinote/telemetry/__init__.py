"""Observation of the running server: the log, the metrics registry, and the type of a clock.

Imports nothing else of Kinote. Each package creates its own metrics in the registry.
"""
