"""The DICOM JSON model (PS3.18 F), from elements and to elements.

JSON of an element is made once for all that have the same bytes. May use `kinote.dicom.elements` and what
lies below it.
"""
