"""Bytes out: every data set that leaves passes through `outgoing`. `sending` sends on one association by C-STORE,
`transmit` on several.

Gets stored bytes from `kinote.holdings` and addresses from `kinote.peers`; never knows where bytes are stored.
"""
