"""How a command reaches the store: settings, the running server, or the application in the command's own process.

`begun` decides which, and is what a command works with. `client` is the REST API as commands use it, over `proven`
connections to a running server or `in_process`.
"""
