"""The commands about stores and notes of other systems: `kinote migrate …` and `kinote notes …`.

`typed` and `notes_typed` have their syntax. May use what `kinote.command` may.
"""
