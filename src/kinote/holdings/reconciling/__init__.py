"""The reconciler compares rows and bytes in both directions while the server runs (law 8).

It checks that files exist and have the right size; the scrub reads them. `rows` goes from rows to bytes, `unowned` from
bytes to rows. `reconciler` drives both at the pace of the scrub. It deletes nothing.
"""
