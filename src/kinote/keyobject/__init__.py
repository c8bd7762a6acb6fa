"""The Key Object Selection document, without I/O: titles, model, tolerant reader, strict writer, checker, findings.

This is a library of its own: importing it imports nothing of the server. May use `kinote.dicom`.
"""
