"""Key image notes: what a note is made of, and its versions in the index.

`acts` makes, revises and withdraws notes; the object `creator` makes KOS of versions, and the `registrar`
notes of KOS; `lists` answers what the interfaces ask. All work on a transaction that the caller has opened.
May use `kinote.holdings`, `kinote.lifecycle` and what lies below them.
"""
