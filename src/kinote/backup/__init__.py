"""Backups of a running installation, restoring into either database, and replaying the journal.

It copies all tables, and therefore knows those of instances. It reads and writes stores, journal and index, and knows
neither interfaces nor settings.
"""
