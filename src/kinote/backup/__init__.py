"""Backup of an installation while it runs, restore into either database, and what the journal says beyond a backup.

It copies all tables, and so knows those of instances. It reads and writes stores, journal and index, and knows neither
interfaces nor settings.
"""
