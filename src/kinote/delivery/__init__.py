"""Bytes out: `outgoing` is what every data set passes on its way, `sending` sends it by C-STORE.

Gets bytes from `kinote.holdings` only.
"""
