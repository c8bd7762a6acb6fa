"""Follows peers: their key objects come here by themselves, and so do their rejections.

`followed` has the rows, `feed` reads the change feed of another Kinote, `follower` does what is due for one peer, and
`followers` has a thread for each. May use what `kinote.migration` may.
"""
