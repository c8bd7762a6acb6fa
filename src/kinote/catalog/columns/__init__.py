"""What columns hold: normalised values that are matched, date times, attributes as DICOM JSON. Without SQL."""
