"""Where the bytes of images lie: one file per instance, synced before anybody is told that it was stored.

Knows no tables. May use `kinote.dicom`.
"""
