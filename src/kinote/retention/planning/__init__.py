"""What goes, and in which order: decided without a database (`choosing`), asked of one (`asking`), kept (`plans`)."""
