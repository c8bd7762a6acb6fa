"""Fetches key objects and flagged images from other systems, and compares their lists with what is here.

`dimse_source` and `web_source` query a system by DICOM and by DICOMweb. May use what `kinote.migration` may.
"""
