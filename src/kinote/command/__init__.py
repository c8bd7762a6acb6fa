"""The command line: every command of `kinote`, its output, and running the server.

`main` has the commands; those of one kind have files of their own. If a server has the data directory open, a command
asks it through `client`. Apart from `kinote.app`, this is the only package that reads the settings.
"""
