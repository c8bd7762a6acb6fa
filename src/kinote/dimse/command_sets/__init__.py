"""Command sets (PS3.7 6.3, Annex E): the commands of the normalized services, and the coding of all commands.

Independent of associations. The commands of the composite services are in `kinote.dimse.commands`.
"""
