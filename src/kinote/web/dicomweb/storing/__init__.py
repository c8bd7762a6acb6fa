"""STOW-RS (PS3.18 10.5): a request is received in pieces, each object goes to storage, and the response tells each outcome.

`store_json` and `json_instances` are for objects that are sent as DICOM JSON.
"""
