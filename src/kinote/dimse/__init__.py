"""The DICOM upper layer (PS3.8) and message exchange (PS3.7), in both roles.

Knows no database and no other room but `kinote.dicom`. What the protocol decides is pure (`pdu`,
`state_table`, `upper_layer`: bytes and events in, effects out); what waits, sends and receives is apart.
"""
