"""What Kinote needs of DICOM, pure: element walker, character sets, dates, UIDs, JSON, DICOMDIR, pictures.

Knows no database and no network. May import pydicom and numpy, and nothing else of Kinote.
"""
