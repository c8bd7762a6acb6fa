"""What the interfaces ask about notes, and about studies with their notes: one, some, searched, page by page.

Reads the live view and changes nothing. Knows no other part of `kinote.notes`.
"""
