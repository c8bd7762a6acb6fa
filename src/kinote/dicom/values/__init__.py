"""Values of elements, as text and as what they mean (PS3.5 6): UIDs, dates, numbers, names, character sets.

Knows `kinote.dicom.dictionary`, and no data set.
"""
