"""The commands about retention: `typed` has their syntax, `holds` and `rules` the actions."""
