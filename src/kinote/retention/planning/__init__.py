"""What to evict, in which order: decided without a database (`choosing`), from the index (`asking`), stored
(`plans`).
"""
