"""Languages of a note: RFC 5646 tags and their names (TID 1204)."""

from __future__ import annotations

import re

from kinote.keyobject.codes import Code

#: The coding scheme of language tags in DICOM (PS3.16 section 8).
SCHEME = "RFC5646"

#: The syntax of RFC 5646, without its registry.
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

#: Names of languages by their primary subtag.
NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mt": "Maltese",
    "nb": "Norwegian Bokmål",
    "nl": "Dutch",
    "nn": "Norwegian Nynorsk",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sr": "Serbian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def is_language_tag(tag: str) -> bool:
    """Return whether text has the form of a language tag, e.g. `en-GB`."""
    return _TAG.fullmatch(tag) is not None


def language_code(tag: str) -> Code:
    """Return the coded language of TID 1204. A tag without a known name is its own meaning."""
    name = NAMES.get(tag.split("-")[0].lower())
    if name is None:
        return Code(tag, SCHEME, tag[:64])
    return Code(tag, SCHEME, name if "-" not in tag else f"{name} ({tag.partition('-')[2]})"[:64])
