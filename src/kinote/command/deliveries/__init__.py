"""The commands about deliveries: what can be typed, and what each does."""
