"""DICOMweb (PS3.18): the studies service under `/dicomweb`, as plain Starlette routes.

`routes` has all resources. `retrieving` is WADO-RS, `search` QIDO-RS, `storing` STOW-RS, `commitment` the storage
commitment service. Streams in both directions. Uses the same packages as the DICOM interface for queries and storage.
"""
