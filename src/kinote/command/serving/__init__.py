"""The commands that run the server: `commands` begins them, `running` runs the interfaces until the server is stopped.

`descriptors` shares the file descriptors out between the interfaces.
"""
