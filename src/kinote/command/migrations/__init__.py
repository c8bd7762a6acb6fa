"""The commands `kinote migrate …`: stores of other systems. May use what `kinote.command` may."""
