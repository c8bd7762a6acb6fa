"""The reaper: what is withdrawn for long enough is purged, while the server runs.

In this order: a tombstone, in one transaction that decides (`kinote.lifecycle.purging`) and says which bytes have to
follow; then the bytes (`unlinking`); then the mark that they are gone. `reaper` drives both, a little at a time. A kill
in between costs nothing: what was decided stays decided, and what has to be removed is remembered.
"""
