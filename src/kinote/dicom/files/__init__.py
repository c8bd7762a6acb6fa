"""DICOM files (PS3.10): their beginnings and file meta information, DICOMDIRs, and data sets within open files.

May use `kinote.dicom.elements` and what lies below it; which files there are is for others to know.
"""
