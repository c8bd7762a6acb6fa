"""Rejection notes of other systems (IHE RAD TF-3 4.66, IOCM): what they take out of use here, and what comes later.

`rules` says what each title does here, `decisions` has the pure tables, `naming` what a note names. `arriving` lets
a note act in the transaction of its arrival, `reconsidering` looks again when an instance or a patient becomes known,
`later_copies` decides about copies that come afterwards, and `proposals` are the notes that wait for a person.
"""
