"""SQL for both databases: their differences, statements that are built once, text indexes.

Knows only the tables that it is given.
"""
