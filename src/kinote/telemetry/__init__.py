"""What the server says of itself while it runs: the log, and the registry of its metrics.

Knows nothing else of Kinote. Each package counts what it does, in metrics that it makes in the registry.
"""
