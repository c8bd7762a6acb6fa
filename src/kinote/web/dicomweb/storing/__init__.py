"""STOW-RS (PS3.18 10.5): receives a request in pieces, passes each object to storage, and tells the outcome of each.

`store_json` and `json_instances` are for objects that are sent as DICOM JSON.
"""
