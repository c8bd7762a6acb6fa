"""The DICOM upper layer (PS3.8) and message exchange (PS3.7), in both roles.

Imports only `kinote.dicom` and uses no database. The protocol itself is pure code: `pdu`, `state_table` and
`upper_layer` take bytes and events and return effects. Waiting, sending and receiving are in other modules.
"""
