"""Holds: legal, research and teaching reasons for which the bytes of a study, a patient or a note stay.

A hold names what it keeps, and not which instances that is now (`membership`): series, images and notes that come later
join it. It changes no standing. It stops whatever removes bytes, and what a system asks for because the time of an
object has ended.
"""
