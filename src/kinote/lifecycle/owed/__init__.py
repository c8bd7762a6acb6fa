"""What other systems were given, and what they are owed because of withdrawals (law 4)."""
