"""Observation of the running server: the log, the registry of its metrics, and the type of a clock.

Uses nothing else of Kinote. Each package counts what it does, in metrics that it creates in the registry.
"""
