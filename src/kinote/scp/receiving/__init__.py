"""Receiver processes serve associations that only store. The main process files what they receive.

Python's interpreter lock limits what one process can receive. The main process therefore hands these associations over
(`processes`) once it has accepted them, and a receiver process (`process`, started by `__main__`) serves them with the
same code. It writes the files of large objects. Everything else goes to the main process (`kinote.intake.packets`).
`messages` has the other messages between the two.

A receiver process imports no index, only the store that it writes to, and no HTTP.
"""
