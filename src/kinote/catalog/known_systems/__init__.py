"""Rows of other systems: peers with their endpoints, destinations, and which of them the settings of a server name.

SQL only: what a row means and which may be written is for `kinote.peers`. Rows end and are never deleted.
"""
