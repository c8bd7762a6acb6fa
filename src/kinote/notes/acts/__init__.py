"""What people do with notes: make, revise and withdraw them. A refused request gets all its problems at once.

Each act is one transaction with its documents and its rejection note. May use `kinote.notes.creator` and `lists`.
"""
