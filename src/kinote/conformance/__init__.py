"""The DICOM conformance statement (PS3.2 Annex N), generated from the tables that the code uses.

`statement` assembles the sections. What the code has no table for is a table in the file of its section; tests compare
these with the code. May use every package but `settings`, and reads no store.
"""
