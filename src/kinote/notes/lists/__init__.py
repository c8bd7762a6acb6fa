"""Queries of the interfaces about notes, and about studies with their notes.

Reads the live view and changes nothing. Uses no other part of `kinote.notes`.
"""
