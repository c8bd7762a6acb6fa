"""The scrub reads and compares all stored bytes, so that damage is found while somebody may be able to send them again.

`scrub` reads everything at once for `kinote doctor`. `slow_scrub` does it in a running server, a little at a time.
`pace` derives the speed from the set time. May use the rest of `kinote.holdings` and what lies below it.
"""
