"""The command line: every command of `kinote`, how each prints what it did, and running the server.

`main` has the commands; those of one kind have files of their own. Where a server has the data directory
open, a command asks it through `client`. Beside `kinote.app`, the only package that reads the settings.
"""
