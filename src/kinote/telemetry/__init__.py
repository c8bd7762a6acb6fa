"""What the server says of itself while it runs: the log, the registry of its metrics, and
what a clock is.

Knows nothing else of Kinote. Each package counts what it does, in metrics that it makes in the registry.
"""
