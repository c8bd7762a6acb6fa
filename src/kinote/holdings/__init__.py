"""Access to the bytes that we hold, and the checks that rows and bytes agree.

`opening` checks at the start that index and bytes belong together, and sets aside what a crash left. `door` looks an
instance up in the live view, opens its bytes and compares them with their digest. All code that reads stored bytes uses
the door. `damage` marks instances whose bytes differ. `removing` removes bytes whose rows say so. May use
`kinote.lifecycle` and what lies below it.
"""
