"""The upper layer protocol (PS3.8) without I/O: PDUs with their items, and the state machine of an association.

`state_table` is Tables 9-1 to 9-10; `upper_layer` goes by it.
"""
