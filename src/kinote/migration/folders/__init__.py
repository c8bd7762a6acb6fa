"""Registers what lies in folders of other systems: copied into the store, or read where it is.

May use what `kinote.migration` may.
"""
