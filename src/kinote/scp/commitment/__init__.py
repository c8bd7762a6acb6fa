"""Storage commitment at the DICOM interface (PS3.4 Annex J): requests from others, and results of our own requests."""
