"""The DICOM JSON model (PS3.18 F): elements to JSON, and JSON to elements.

The JSON of an element is made once for all elements with the same bytes. May use `kinote.dicom.elements` and what
is below it.
"""
