"""What is asked for when objects are withdrawn, and withdrawals that wait for a second person."""
