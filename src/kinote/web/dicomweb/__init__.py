"""DICOMweb (PS3.18): the studies service under `/dicomweb`, as plain Starlette routes.

Streams in both directions. Uses the same packages as the DICOM interface for queries and storage.
"""
