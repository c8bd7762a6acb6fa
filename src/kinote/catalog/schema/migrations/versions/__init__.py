"""The steps from one schema to the next, each in a file that stays as it was when it landed.

They use what differs between databases (`kinote.catalog.sql.dialects`), and no table definitions of today.
"""
