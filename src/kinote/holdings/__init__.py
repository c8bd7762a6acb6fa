"""What we hold: that index and bytes belong together, and stay together.

Proves at the open that an index is the one of its data directory and store, recovers after a crash, and removes the
files of rows that are gone. May use `kinote.lifecycle`, `kinote.catalog`, `kinote.storage` and what is below them.
"""
