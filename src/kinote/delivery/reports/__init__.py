"""The visual summary of a note: its text and a picture of each key image, as a page, a PDF or one picture.

Reads notes and the live view, and gets pictures through `holdings.door`. Changes nothing.
"""
