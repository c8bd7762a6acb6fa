"""The REST API of deliveries: ordering them, their accounts, and acts on them. May use what `web.api` may."""
