"""The REST API of deliveries."""
