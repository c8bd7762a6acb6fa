"""The bytes of objects, and the data directory, which has one owner at a time.

`store` is the contract: durable puts in groups, ranges, removal, objects since a position. `files` and `packs`
implement it; each store guarantees its own durability. `digests` identify what was received. Knows no tables, and
may use `kinote.dicom`.
"""
