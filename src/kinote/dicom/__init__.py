"""What Kinote needs of DICOM, pure: data sets, values, JSON, files, pictures.

Knows no database and no network. May import pydicom and numpy, and nothing else of Kinote. Each of its parts
knows those below it only: `pixels` and `overlay`; `files` and `json`; `elements`; `values`; `dictionary`.
"""
