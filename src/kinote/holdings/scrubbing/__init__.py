"""The scrub: all stored bytes are read and compared, so that damage is found while there may be somebody to send again.

`scrub` reads them, at once for `kinote doctor`; `slow_scrub` does the same in a running server, a little at a time, at
the `pace` that the set time allows. May use the rest of `kinote.holdings` and what lies below it.
"""
