"""Purging: the bytes of what is withdrawn for long enough go, and a tombstone stays.

`delays` says when, `tombstones` makes them in one transaction, `lists` shows what was purged and what would be.
`kinote.holdings.reaping` removes the bytes afterwards. No state of a job is an input (law 2).
"""
