"""`python -m kinote`: the command line."""

from kinote.cli import main

main()
