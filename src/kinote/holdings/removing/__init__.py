"""Bytes that go while their rows stay: of what is evicted, removed, or replaced.

`removal` deletes the files of rows that are gone or purged, and remembers them until that is done. `setting_aside`
moves the files that a healed instance no longer uses into the quarantine. `evicting` removes bytes that an archive has
committed to (law 9).
"""
