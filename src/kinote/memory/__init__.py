"""How much memory outside parties may make this process take at the same time (law 5).

Everything that a request, an object or a frame makes grow is charged to one ledger before it is taken. What does not
fit waits its turn, and is given up after some seconds: HTTP answers 503, DIMSE the status for out of resources.

`ledger` has the ledger, `shared` the one of this process, `estimates` what things cost. Touches nothing else.
"""
