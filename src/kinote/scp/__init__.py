"""The DICOM face: our service classes (PS3.4) on associations that others open.

Beside `kinote.web`, which it does not know; what both answer comes from the rooms below. Has no SQL, and
never imports `kinote.storage`.
"""
