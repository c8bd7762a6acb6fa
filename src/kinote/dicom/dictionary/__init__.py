"""The registries of DICOM (PS3.6): tags, SOP classes, transfer syntaxes, value representations.

Tables and functions that look things up in them. Uses no other part of `kinote.dicom`.
"""
