"""What the commands about retention do: they place holds, end them, and list what holds keep."""
