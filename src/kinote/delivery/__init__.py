"""Bytes out: every data set that leaves passes `outgoing`; `sending` sends it on one association by C-STORE,
`transmit` many on several.

Gets stored bytes from `kinote.holdings` and whom to call from `kinote.peers`; never knows where bytes lie.
"""
