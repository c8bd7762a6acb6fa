"""The demo studies, made by the project itself: pictures good to look at, some with notes."""
