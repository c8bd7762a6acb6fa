"""The reaper purges instances that have been withdrawn for long enough, while the server runs.

First one transaction decides, makes a tombstone (`kinote.lifecycle.purging`) and records which bytes have to be
removed. Then the bytes are removed (`unlinking`), then this is recorded. `reaper` drives both, a little at a time. A
kill in between loses nothing: the decision and the bytes to be removed are recorded.
"""
