"""Who acts, what each act takes, and who may do it: actors, origins of objects, the table of rights, the policy.

Imports nothing but the standard library, so that `kinote check` and receiver processes can use it. Knows no settings
and no peers: `app` passes in what a peer is named for. Sign-in and the audit trail will live here.
"""
