"""What other systems were given, and what they are owed because of withdrawals (law 4).

`recording` writes what was given, `owing` what is owed for it; each sees the other, whichever comes first.
`received_notes` says who is owed a rejection note that was received. `notices` lists what is owed until it is told.
"""
