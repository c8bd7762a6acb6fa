"""Contents of columns: normalised values for matching, date times, attributes as DICOM JSON. Without SQL."""
