"""Receiver processes: associations that only store are served beside the main process, which files what they receive.

One interpreter takes in no more than its lock lets it; so the main process hands these associations over (`processes`)
once it has accepted them, and a receiver process (`process`, begun by `__main__`) serves each with the code of the main
process. It writes the files of large objects; everything else goes to the main process (`kinote.intake.packets`). What
the two tell each other beside that is in `messages`.

What a receiver process imports knows no connections to the index, no stores but the one that it writes to, no HTTP.
"""
