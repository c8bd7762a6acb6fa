"""Authorization: actors, origins of objects, the table of rights, the roles and the policy.

These files import only the standard library, so that `kinote check` and receiver processes can use them. Below them,
`sign_in` has users, sessions and API tokens, and `audit` the audit trail; both use the catalog. The package does not
know the settings or the peers: `app` passes in the rights granted to a peer.
"""
