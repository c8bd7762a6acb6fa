"""The bytes that we hold: the one way to them, and how rows and bytes are brought to agree again.

`installation` proves at the open that index and bytes belong together. `door` looks an instance up in the live view
at that moment, opens its bytes and compares them with their digest; whoever reads stored bytes asks it. `damage` marks
what differs. `recovery` runs when a server starts; `removal` takes away the files of rows that are gone,
`setting_aside` keeps those of healed ones. May use `kinote.lifecycle` and what lies below it.
"""
