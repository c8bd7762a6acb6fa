"""Command sets (PS3.7 6.3, Annex E): the commands of the normalized services, and how each command is coded.

Knows no association. The commands of the composite services are in `kinote.dimse.commands`.
"""
