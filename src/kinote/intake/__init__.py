"""Bytes in: durable, indexed and registered in one transaction, in groups across all senders.

`receiver` takes one object as a stream, `syncing` and `placing` make files durable, `committer` gathers
groups, and `filing` is the transaction. May use `kinote.notes` and what lies below it.
"""
