"""Marks of viewers that make no key objects, collected from DICOM files as the table that `kinote notes import` reads.

`header` reads files up to their pixels, `osirix` understands OsiriX and Horos, `key_image_reports` the reports of
Cornerstone3D, `presentation_states` presentation states, and `collecting` goes through folders. Uses no index.
"""
