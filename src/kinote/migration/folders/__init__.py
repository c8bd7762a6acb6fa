"""Registers the content of folders of other systems: copied into the store, or read in place.

May use what `kinote.migration` may.
"""
