"""Telephone numbers: one spelling for each, and a token in place of it everywhere else."""

import phonenumbers

WITHHELD = {"", "anonymous", "unknown", "restricted", "private", "unavailable", "asterisk"}


def one_spelling(heard: str | None, country: str) -> str | None:
    """The number in E.164, or None when it was withheld or is no telephone number.

    `heard` is what the trunk sent, `country` the ISO code to read national numbers in. A number that the library does not
    think possible (an extension, an unusual trunk) is kept by its digits, so that a repeat caller is still known.
    """
    if heard is None or heard.strip().lower() in WITHHELD:
        return None
    digits = "".join(c for c in heard if c in "+0123456789")
    if len(digits.lstrip("+")) < 3:
        return None
    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return digits
    if not phonenumbers.is_possible_number(number):
        return digits
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def for_the_eye(number: str) -> str:
    """A number as people read it: international, with spaces."""
    try:
        return str(phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    except phonenumbers.NumberParseException:
        return number
