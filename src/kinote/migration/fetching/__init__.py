"""Fetches key objects and the images that they flag from other systems, and compares what these list with what is here.

`dimse_source` and `web_source` ask a system by DICOM and by DICOMweb. May use what `kinote.migration` may.
"""
