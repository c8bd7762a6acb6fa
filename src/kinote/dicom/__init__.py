"""The DICOM parts that Kinote needs, without I/O: data sets, values, JSON, files, pictures.

Has no database and no network. May import pydicom and numpy, and nothing else of Kinote. Each part may use only the
parts below it: `pixels` and `overlay`; `files` and `json`; `elements`; `values`; `dictionary`.
"""
