"""Key Image Notes by REST: the notes themselves, the visual summary of one, and the document titles to choose from.

`body` is the body that makes or revises a note.
"""
