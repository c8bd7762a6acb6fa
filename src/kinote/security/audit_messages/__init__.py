"""DICOM audit messages (PS3.15 A.5): the entries of the audit trail as XML, sent to a syslog server by TLS.

`message` makes one of a row, `codes` says what each event is called there, `syslog` sends some and learns that they
were read, and `sending` follows the trail. May use `security.audit`, `catalog`, `dimse.transport.tls` and `telemetry`.
"""
