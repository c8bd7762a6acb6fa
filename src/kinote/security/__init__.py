"""Authorization: actors, origins of objects, the table of rights, and the policy.

Imports only the standard library, so that `kinote check` and receiver processes can use it. It does not know the
settings or the peers: `app` passes in the rights granted to a peer. Sign-in and the audit trail will be added here.
"""
