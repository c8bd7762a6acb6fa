"""Objects that receiver processes have received, on their way to the process that files them.

`frames` is the format of a channel, `packet` that of an object in it. `handing_on` is the receiver process's end of
a channel, which knows no index. `taking_on` is the main process's end of all channels.
"""
