"""The commands about deliveries: `typed` has their syntax, the other files the actions."""
