"""Notes of other systems: read from tables, checked against the index, and made notes of origin `migrated`.

`reading` parses the rows of a file. `sorting` brings the rows of a note together, whatever their order and number.
`mapping` translates names of the other system. `legacy_notes` makes the content of a note from its rows. `filing` is
the transaction of a batch. `importing` processes a file batch by batch.
"""
