"""DICOM files (PS3.10): file meta information, DICOMDIRs, and data sets within open files.

May use `kinote.dicom.elements` and what is below it. Finding files is not its task.
"""
