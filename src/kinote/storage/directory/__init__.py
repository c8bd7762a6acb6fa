"""The data directory, which has one owner at a time.

`directory_lock` tells the owner, `marks` the installation, `presence` the processes that have it open, and
`announcement` the running server to commands.
"""
