"""What lies on media: folders, ZIP files and DICOMDIR file sets, and the DICOM files that are found there.

Opens files and says which are refused, and why; what becomes of them is the caller's affair. May use
`kinote.dicom`; knows no database and no network.
"""
