"""Notes of other systems: read from their tables, checked against the index, and made notes of origin `migrated`.

`reading` understands the rows of a file, `sorting` brings the rows of a note together, whatever their order and number,
`mapping` translates what the other system calls otherwise, `legacy_notes` makes the content of a note of its rows,
`filing` is the transaction of a batch, and `importing` goes through a file batch by batch.
"""
