"""Access to the bytes that we hold, and the checks that rows and bytes agree.

`installation` checks at the start that index and bytes belong together. `door` looks an instance up in the live view,
opens its bytes and compares them with their digest. All code that reads stored bytes uses the door. `damage` marks
instances whose bytes differ. `recovery` runs when a server starts. `removal` deletes the files of removed rows.
`setting_aside` keeps the files that a healed instance no longer uses. May use `kinote.lifecycle` and what lies below
it.
"""
