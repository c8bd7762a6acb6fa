"""Where the bytes of images lie: one file per instance, synced before anybody is told that it was stored; and
the data directory, used by one owner at a time.

Knows no tables. May use `kinote.dicom`.
"""
