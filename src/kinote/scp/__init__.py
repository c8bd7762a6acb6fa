"""The DICOM face: our service classes, as PS3.4 has them.

Beside `kinote.web`, which it does not know; what both answer comes from the rooms below. What an identifier
asks and what stands in the answers knows no association.
"""
