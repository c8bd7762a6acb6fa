"""The registrar: notes of the KOS documents that arrive, and of those that are read again.

`register` works in the transaction in which objects are filed; whatever a document says, the object stays.
May use `kinote.notes.lists`; knows neither `acts` nor `creator`.
"""
