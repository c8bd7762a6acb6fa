"""What DICOM numbers and names (PS3.6): tags, SOP classes, transfer syntaxes, value representations.

Tables and questions about them; knows no data set, and no other part of `kinote.dicom`.
"""
