"""Instance Availability Notification as SCP (PS3.4 Annex R): what peers say of the instances that they have.

`notification` reads the data set, `taking` answers the N-CREATE. What was told is a row; it never decides anything
about visibility, eviction or deletion.
"""
