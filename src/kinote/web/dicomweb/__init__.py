"""DICOMweb (PS3.18): the studies service under `/dicomweb`, as plain Starlette routes.

Streams in both directions; what is asked and stored goes to the rooms that the DICOM face uses too.
"""
