"""Receiving objects: durable, indexed and registered in one transaction, in groups across all senders.

`receiver` opens an `upload` for each object, which takes it as a stream. `syncing` makes files durable in parallel,
`committer` forms groups, and `filing` is the transaction. `comparers` tell, outside of it, whether other bytes under a
known UID are the same content. Objects from receiver processes come in `packets`. May use `kinote.notes` and what is
below it.
"""
