"""The meaning of each alert and what to do, in fixed texts: nothing of a store is in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means, and what to do: sentences for messages that leave Kinote."""

    sentence: str
    remedy: str


_SEE_KINOTE = "Look at the alerts in Kinote, which say more."

#: By the code of an alert. `docs/operating.md` has the same with more words.
MEANINGS = {
    "AUDIT_MESSAGES_NOT_SENT": Meaning(
        "The syslog server has taken no audit messages for some minutes. They wait in the audit trail.",
        "See to the syslog server, to the network, and to the certificates of both.",
    ),
    "ARCHIVE_SUSPENDED": Meaning(
        "An archive has not committed to what it was sent, or gave back something else. Nothing is evicted on its "
        "word.",
        "See to the archive, and resume it under Archives when it can be relied upon again.",
    ),
    "BACKUP_TOO_OLD": Meaning(
        "The last good backup is older than twice the time that is set. What came later would be lost with the disk.",
        "See to the folder of the backups, and make one with kinote backup.",
    ),
    "CACHE_FULL_OF_WHAT_MUST_STAY": Meaning(
        "The cache is beyond its bounds, and too little of it may go. When the volume is full, no image is taken.",
        "See under Retention what rules and holds protect, see that archives have committed to it, or make room.",
    ),
    "CLOCK_IN_DOUBT": Meaning(
        "The clock of the server has jumped, or the server was down for more than a day. Nothing is purged for now.",
        "See that the clock is right.",
    ),
    "COMMITMENTS_NOT_TOLD": Meaning(
        "A system that asked for storage commitment could not be told the result. It may keep its copies for ever.",
        "See that it is a peer with a DICOM endpoint, that it listens there, and that it takes the result.",
    ),
    "DATA_DIRECTORY_MOVED": Meaning(
        "The data directory was moved, replaced or opened by another server.",
        "Stop the server, put the directory back, and start it again.",
    ),
    "DELIVERIES_DIFFER": Meaning(
        "Objects that a destination has acknowledged are not found there.",
        "See the failed deliveries, ask the destination, and send them again.",
    ),
    "DELIVERIES_FAILED": Meaning(
        "Deliveries have failed.", "See the reasons under Deliveries; send them again, or take note of them."
    ),
    "DISK_FULL": Meaning("The disk of the stored images is full: no image is taken.", "Free some space."),
    "DISK_NEARLY_FULL": Meaning(
        "The volume of the data directory has little room left.", "Make room, or use a larger volume."
    ),
    "FILES_NOT_SET_ASIDE": Meaning(
        "Files that no object has cannot be moved into the quarantine.",
        "See to the disk and to the rights of the server there.",
    ),
    "FILES_UNKNOWN_TO_INDEX": Meaning(
        "The index does not know files of the store, more than a crash can leave.",
        "Check whether the index is an older copy, and bring back the newest one.",
    ),
    "FOLDER_IN_PLACE_AWAY": Meaning(
        "A folder of another system that is read in place cannot be read, or is empty.",
        "See that its volume is mounted. Its images are shown and sent again when it is back.",
    ),
    "FOLDERS_UNREADABLE": Meaning(
        "The last comparison of rows and bytes could not read folders or packs of the stores.",
        "See to the disk and to the rights of the server there. The log names them.",
    ),
    "INDEX_DAMAGED": Meaning(
        "Pages of the index are damaged.", "Stop the server and put back a copy of the data directory."
    ),
    "INDEX_NOT_WRITTEN": Meaning("The last change to the index could not be written.", _SEE_KINOTE),
    "JOBS_DEAD": Meaning(
        "Jobs are dead: what was to be done was not.",
        "See the reasons under Jobs, and run them again or cancel them.",
    ),
    "OBJECTS_DAMAGED": Meaning(
        "Stored bytes are not what was received. These objects are not sent.",
        "Look for a failing disk, and send the objects to Kinote again, which heals them.",
    ),
    "PURGES_DEAD": Meaning(
        "Withdrawn objects could not be purged, or their bytes not be removed.",
        "See the reasons under Purges, and have them tried again.",
    ),
    "QUARANTINE_NOT_EMPTY": Meaning(
        "Files were set aside in the quarantine, and no object has them.",
        "Read the record beside each file. Import what is wanted, and delete the rest.",
    ),
    "RECEIVER_PROCESS_DOWN": Meaning(
        "A receiver process has ended and could not be started again yet. Intake continues more slowly.",
        "Look for the reason in the log of the server.",
    ),
    "REJECTIONS_WAITING": Meaning(
        "Received rejections wait for a decision: their senders may not reject by themselves, or named the earlier "
        "UID of an object.",
        "Accept or refuse them under Rejections.",
    ),
    "ROUTE_FAILED": Meaning(
        "A route cannot act: what it should deliver is not delivered.",
        "See its results under Routes, and change the route or its destination.",
    ),
    "SAFETY_REJECTIONS_WAITING": Meaning(
        "A received rejection for patient safety waits for a decision: what may harm a patient is still shown.",
        "Accept or refuse them under Rejections now.",
    ),
    "SCRUB_BEHIND": Meaning(
        "Reading and comparing all stored bytes takes more than twice the time that is set.",
        "Raise the setting scrub_days, or give the server a faster disk.",
    ),
    "STORE_UNREACHABLE": Meaning(
        "The folder of the store cannot be reached: no stored image can be read.",
        "See that its volume is mounted.",
    ),
    "UNDO_WINDOWS_LATE": Meaning(
        "Withdrawals are past their undo window, and others are not told of them yet.",
        "See the log of the server, which goes on trying.",
    ),
    "WITHDRAWALS_UNCONFIRMED": Meaning(
        "Withdrawals of whole series or studies wait for a second person. What they name is still shown.",
        "Confirm or refuse them under Withdrawals.",
    ),
}

#: For an alert that only another version of Kinote knows.
UNKNOWN = Meaning("Something needs a person.", _SEE_KINOTE)


def meaning_of(code: str) -> Meaning:
    """Return what an alert means."""
    return MEANINGS.get(code, UNKNOWN)
