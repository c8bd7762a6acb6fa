"""The DICOM interface: our service classes (PS3.4) on associations that others open.

A sibling of `kinote.web`; neither imports the other. What both answer comes from the packages below. Has no SQL, and
never imports `kinote.storage`.
"""
