"""The demo studies: synthetic images of fictitious patients, some with notes.

They are imported like any other study, through `kinote.intake` and `kinote.notes`. Only the command `demo` and the
tests use this package.
"""
