"""Objects that receiver processes have received, on their way to the process that files them.

`frames` says how things stand on a channel, `packet` what is handed on of an object; `handing_on` is the receiver
process's end of a channel, which knows no index, and `taking_on` the main process's, which has all channels.
"""
