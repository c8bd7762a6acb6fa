"""Follows peers: their key objects and rejections are copied here automatically.

`followed` has the rows. `feed` reads the change feed of another Kinote. `follower` does what is due for one peer.
`followers` has a thread for each. May use what `kinote.migration` may.
"""
