"""The DICOM upper layer (PS3.8) and message exchange (PS3.7), in both roles, with all DIMSE services.

`protocol` is the upper layer without I/O, `transport` the connections below it. `associations` begins associations and
has the messages on them. `commands` and `command_sets` are the messages themselves; `invoking` and `operations` use and
offer services. Uses no database.
"""
