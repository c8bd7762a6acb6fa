"""The DICOM interface: our service classes (PS3.4) on associations that others open.

`server` listens. `associations` accepts and serves an association, `performers` names who performs each request:
`storage`, `verification` and `normalized` services here, and those of the sub-rooms. A sibling of `kinote.web`; neither
imports the other. What both answer comes from the packages below. Has no SQL, and never imports `kinote.storage`.
"""
