"""The DICOM face: our service classes (PS3.4) on associations that others open."""
