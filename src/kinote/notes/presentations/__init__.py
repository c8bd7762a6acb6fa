"""How images of a note looked to its author: presentation states that are made with the note.

Whoever reads the note sees the same window, area and orientation, in every system that applies softcopy presentation
states (PS3.3 A.33). `view` is what a request says, `states` makes the data set, `making` stores it with the note.
"""
