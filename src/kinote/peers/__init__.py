"""The systems that we know, and how to call them.

`entities` are those that the administrator has named, with what each may ask of us; `calling` finds out whom
a name means, and `querying` asks them. May use `kinote.dimse` and `kinote.dicom`; knows no settings, and no
database as yet.
"""
