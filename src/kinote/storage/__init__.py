"""Where the bytes of objects lie, and the data directory, which one owner has at a time.

`store` is the contract: durable puts in groups, ranges, removal, what came since. `files` and `packs` keep it; each
store guarantees its own durability. `digests` tell what was received. Knows no tables, and may use `kinote.dicom`.
"""
