"""The systems that we know, what they may do here, and how to call them.

`peer` and `destination` say what they are; `acts` and `destination_acts` change them, `lists` reads them, and
`from_settings` writes those of the settings. `known` has the peers in use in memory, for whatever looks one up for each
association; `resolving` finds the addresses of their hosts. `calling`, `querying` and `probing` call them. May use
`kinote.catalog`, `kinote.dimse` and `kinote.dicom`; knows no settings.
"""
