"""The demo studies, made by the project itself: pictures good to look at, some with notes.

Brought in as anybody's studies would be, through `kinote.intake` and `kinote.notes`; nothing but the command
`demo` and the tests need it.
"""
