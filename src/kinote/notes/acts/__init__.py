"""What people do with notes: make, revise and withdraw them; all that is wrong with a request is said at once.

Each act is one transaction with its documents and its rejection note. May use `kinote.notes.creator` and `lists`.
"""
