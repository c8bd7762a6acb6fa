"""The reconciler: rows and bytes are compared in both directions, while the server runs (law 8).

It looks whether things are there and how long they are. To read them is the work of the scrub. `rows` goes from rows to
bytes, `unowned` from bytes to rows, `reconciler` drives both at the pace of the scrub. It deletes nothing.
"""
