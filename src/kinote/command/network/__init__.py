"""The commands that call other application entities: `echo`, `find` and `send`.

`called_entity` resolves the peer. `named_objects` downloads from the store what is sent, and `handed_out` reports it.
"""
