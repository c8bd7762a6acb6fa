"""Key image notes: their content, and their versions in the index.

`acts` makes, revises and withdraws notes. The object `creator` makes KOS from versions, and the `registrar` makes
notes from KOS. `lists` answers the queries of the interfaces. All of them work in a transaction that the caller has
opened. May use `kinote.holdings`, `kinote.lifecycle` and what is below them.
"""
