"""The journal of rare acts of an installation: what takes out of use or brings back, in files outside the index.

`keeping` writes the entries of transactions and reads all files, `beginning` writes the acts that are older, and
`comparing` compares the journal with the index.
"""
