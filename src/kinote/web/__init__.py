"""The HTTP interface: DICOMweb, the REST API, the files of the viewer.

Has no SQL, and never imports `kinote.storage`; gets stored bytes from `kinote.holdings`.
"""
