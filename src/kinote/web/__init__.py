"""The HTTP face: DICOMweb, the REST API, the files of the viewer.

Never imports `kinote.storage`; gets bytes from `kinote.delivery`.
"""
