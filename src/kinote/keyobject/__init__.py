"""The Key Object Selection document, without I/O: titles, model, tolerant reader, strict writer, checker, findings.

This is a library of its own: importing it imports nothing of the server. The modules of this room are its interface
(`docs/library.md`); `readers` and `values` are what they are made of. May use `kinote.dicom`.
"""
