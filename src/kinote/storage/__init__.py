"""The bytes of objects, and the data directory.

`store` is the contract: durable puts in groups, ranges, removal, objects since a position. `files`, `packs` and
`read_in_place` implement it; each store guarantees its own durability. `digests` identify what was received.
`directory` is the data directory. Knows no tables, and may use `kinote.dicom`.
"""
