"""Values of elements and their meaning (PS3.5 section 6): UIDs, dates, numbers, names, character sets.

Uses `kinote.dicom.dictionary` only.
"""
