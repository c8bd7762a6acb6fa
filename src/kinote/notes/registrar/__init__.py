"""The registrar: makes notes of KOS documents that arrive, and of those that are read again.

`register` works in the transaction that files the objects. Whatever a document says, the object stays. May use
`kinote.notes.lists`. Uses neither `acts` nor `creator`.
"""
