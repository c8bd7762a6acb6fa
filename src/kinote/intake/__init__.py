"""Bytes in: durable, indexed and registered in one transaction, in groups across all senders.

`receiver` opens an `upload` for each object, which takes it as a stream. `syncing` makes files durable beside the
senders, `committer` gathers groups, and `filing` is the transaction. What receiver processes have received comes in
`packets`. May use `kinote.notes` and what lies below it.
"""
