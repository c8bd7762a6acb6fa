"""The command line: every command of `kinote`, its output, and running the server.

`main` has the commands; those of one subject have a sub-room. Files named `typed` or `…_typed` have the syntax and are
imported at once; the others have the actions and are imported when a command runs. `permitted` checks the right of a
command, and `store` finds the store. Apart from `kinote.app`, this is the only package that reads the settings.
"""
