"""Packs: files with many small images each. The store, the file format, and the right to add to a file.

May use the other files of `storage`. Other packages know only `store.PackStore`.
"""
