"""Reaching a peer on the network: its address, and calls to it.

`resolving` finds the addresses of host names in the background. `calling` is C-ECHO and `querying` C-FIND. `probing`
tests whether a peer answers, `accepting` what it accepts.
"""
