"""`python -m kinote`: the command line."""

from kinote.command.main import main

main()
