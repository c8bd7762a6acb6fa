"""WADO-RS (PS3.18 10.4): instances as stored, metadata, bulk data, frames, and rendered pictures and pages.

`resources` finds the live objects of an address; `transfer_syntax`, `frame_media` and `rendering` choose the form.
"""
