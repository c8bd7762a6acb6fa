"""Media: folders, ZIP files and DICOMDIR file sets, and the DICOM files in them.

Finds and opens files, and reports which are refused and why. The caller decides what to do with them. May use
`kinote.dicom`; uses no database and no network.
"""
