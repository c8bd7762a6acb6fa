"""Peers and destinations: the systems we know, what they may do here, and how to call them.

`peer` and `destination` define them. `acts` and `destination_acts` change them, `lists` reads them, and `from_settings`
writes those of the settings file. `known` keeps the active peers in memory, because they are looked up for every
association. `reaching` calls them. May use `kinote.catalog`, `kinote.dimse` and `kinote.dicom`, but not the settings.
"""
