"""The audit trail: who did what with whose objects (PS3.15 A.5). Uses the catalog.

An act is recorded in its own transaction; what is only looked at is gathered and written in groups. Entries never
change. A hash chain over groups of entries shows whether anything was altered or removed afterwards.
"""
