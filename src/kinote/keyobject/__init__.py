"""The Key Object Selection document, pure: titles, model, tolerant reader, strict writer, checker, findings.

A library of its own: importing it imports nothing of the server. May use `kinote.dicom`.
"""
