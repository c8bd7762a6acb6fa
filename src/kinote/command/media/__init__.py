"""The command that makes media: `export`. May use what `kinote.command` may."""
