"""What is done with SQL on both databases: what differs, statements that are built once, text indexes.

Knows no table of ours but those that it is given.
"""
