"""The visual summary of a note: its words and a picture of each key image, as a page, a PDF or one picture.

Reads notes and the live view, makes pictures through `holdings.door`; touches nothing.
"""
