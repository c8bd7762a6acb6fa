"""Tells destinations which instances of a study are available (Instance Availability Notification, PS3.4 Annex R).

`following` reads the change feed and records which studies have changed. `telling` is the job that sends the
notifications. `notification` makes their data sets. May use `kinote.jobs`, `kinote.peers` and what is below them.
"""
