"""The DICOM conformance statement (PS3.2 Annex N), made from the tables that the code itself goes by.

`statement` puts the sections together. What the code has no table for is a table here, in the file of its section; the
tests compare these with the code. May use every room but `settings`, and reads no store.
"""
