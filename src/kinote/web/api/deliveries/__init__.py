"""The REST API of deliveries: ordering them, their accounts, and what people do to them. It may use what `api` may."""
