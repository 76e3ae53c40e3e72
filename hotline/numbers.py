"""Telephone numbers: which are certain, which may be dialled, and one spelling for each.

A number that a carrier sends is kept only when exactly one reading of it is a valid number. A wrong reading would send a
call-back about a worker's case to a stranger; a number that is not kept only costs a call-back.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberType, shortnumberinfo

PLUS = "+"
NO_PREFIX = "none"
DIGITS_MAX = 15  # E.164
# What carriers send in place of a number that is withheld, also as keys of a telephone: 266696687 is ANONYMOUS.
STAND_INS = (
    "anonymous",
    "asterisk",
    "blocked",
    "clirestricted",
    "hidden",
    "international",
    "invalid",
    "nobody",
    "noid",
    "none",
    "outofarea",
    "payphone",
    "private",
    "restricted",
    "unavailable",
    "unknown",
    "withheld",
    "0123456789",
    "1234567890",
    "123456789",
)
_KEYPAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_CARRIERS = re.compile(r"(\+?)([0-9]{3,24})")
_SHORT = re.compile(r"[0-9]{3,5}")
_ONE_DIGIT = re.compile(r"(\d)\1*")
_DIALLED = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.VOIP,
}

WITHHELD_FORM = "withheld"
# The settings of the trunk with which a number of some form would be certain.
HINTS = {
    "e164": "FREELINE_TRUNK_E164_WITHOUT_PLUS=true",
    "international": "FREELINE_TRUNK_INTERNATIONAL_PREFIXES",
    "national": "FREELINE_TRUNK_NATIONAL_PREFIX",
}


class Barred(StrEnum):
    """Why a number is not dialled."""

    DOUBTFUL = "doubtful"
    FOREIGN = "foreign"
    COSTLY = "costly"


BARRED_WORDS = {
    Barred.DOUBTFUL: "It is not certain whose number this is, so it is not dialled.",
    Barred.FOREIGN: "This is a number of another country. An administrator can allow it: FREELINE_DIAL_COUNTRIES.",
    Barred.COSTLY: "This is a number of a special rate. An administrator can allow it: FREELINE_DIAL_PREFIXES.",
}


@dataclass(frozen=True)
class Numbering:
    """How the trunk writes numbers, and which may be dialled: the settings COUNTRY, TRUNK_… and DIAL_…

    `country` is the ISO code of the line's own country, always among those that may be dialled. `international` are
    prefixes of E.164 such as 00, besides +; `national` that of national numbers, empty for the country's own and `none`
    where there is none. `stand_ins` are further ones for a withheld number; `ours` the numbers of the line itself.
    """

    country: str
    international: tuple[str, ...] = ()
    national: str = ""
    e164_without_plus: bool = False
    stand_ins: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    dial_countries: tuple[str, ...] = ()
    dial_prefixes: tuple[str, ...] = ()

    def certain(self, sent: str | None) -> str | None:
        """The number in E.164 when what the trunk sent has one valid reading; None for anything else."""
        if sent is None or self._stands_in(sent):
            return None
        found = {number for number in self._readings(sent) if number is not None}
        number = found.pop() if len(found) == 1 else None
        return None if number is None or number in self._own() else number

    def typed(self, text: str) -> str | None:
        """Return what a person typed in E.164, or as it is for a short code such as 1669; None when it is no number."""
        digits = "".join(text.split())
        if _SHORT.fullmatch(digits):
            return digits
        try:
            number = phonenumbers.parse(text, self.country)
        except phonenumbers.NumberParseException:
            return None
        return _e164(number) if phonenumbers.is_valid_number(number) and not number.extension else None

    def barred(self, number: str, *, certain: bool = True) -> Barred | None:
        """Why a kept number, in E.164 or a short code, is not dialled; None when it may be.

        Not `certain` is a caller's number that was kept before numbers were read strictly: it is dialled only when it is
        of our own country, and when our trunk writes no number that could have been misread as one of ours.
        """
        if certain and _SHORT.fullmatch(number):
            cost = shortnumberinfo.expected_cost_for_region(_short(number, self.country), self.country)
            return Barred.COSTLY if cost == phonenumbers.ShortNumberCost.PREMIUM_RATE else None
        parsed = _valid(number)
        if parsed is None:
            return Barred.DOUBTFUL
        at_home = phonenumbers.region_code_for_number(parsed) == self.country
        if not certain and (self.e164_without_plus or not at_home):
            return Barred.DOUBTFUL
        if any(number.startswith(prefix) for prefix in self.dial_prefixes):
            return None
        if not at_home and phonenumbers.region_code_for_number(parsed) not in self.dial_countries:
            return Barred.FOREIGN
        return None if phonenumbers.number_type(parsed) in _DIALLED else Barred.COSTLY

    def can_call_back(self, sent: str | None) -> bool:
        """Whether the caller may be offered a call-back: the number is certain, and would be dialled."""
        number = self.certain(sent)
        return number is not None and self.barred(number) is None

    def form(self, sent: str) -> str:
        """Return what a number looks like, without a digit of it, and which setting of the trunk would make it certain.

        For example `00ddddddddddd international=00`: the part behind the space is a key of `HINTS`.
        """
        if self._stands_in(sent):
            return WITHHELD_FORM
        form = _CARRIERS.fullmatch(re.sub(r"[ ().-]", "", sent))
        if form is None:
            return "other"
        plus, digits = form.groups()
        zeros = next((prefix for prefix in ("00", "0") if digits.startswith(prefix)), "")
        shape = f"{plus}{zeros}{'d' * (len(digits) - len(zeros))}"
        if self.certain(sent) is not None:
            return shape
        hint = next((hint for hint, other in self._otherwise() if other.certain(sent) is not None), "")
        return f"{shape} {hint}".strip()

    def _otherwise(self) -> Iterable[tuple[str, "Numbering"]]:
        """Other settings of the trunk, each alone, by the key of its words."""
        yield "e164", replace(self, e164_without_plus=True)
        for prefix in ("00", "001", "009", "011", "010"):
            yield f"international={prefix}", replace(self, international=(prefix,))
        yield "national=none", replace(self, national=NO_PREFIX)
        yield "national=0", replace(self, national="0")

    def national_prefix(self) -> str:
        """Return what stands before a national number: 0 in most countries, empty in those without."""
        if self.national:
            return "" if self.national == NO_PREFIX else self.national
        metadata = PhoneMetadata.metadata_for_region(self.country)
        return (metadata.national_prefix or "") if metadata is not None else ""

    def _readings(self, sent: str) -> Iterable[str | None]:
        """Every number that it may be, by the forms that the settings name."""
        form = _CARRIERS.fullmatch(re.sub(r"[ ().-]", "", sent))
        if form is None:
            return
        plus, digits = form.groups()
        if plus:
            yield _exact(digits)
            return
        for prefix in self.international:
            if digits.startswith(prefix):
                yield _exact(digits.removeprefix(prefix))
        if self.e164_without_plus:
            yield _exact(digits)
        national = self.national_prefix()
        if digits.startswith(national):
            yield _exact(f"{phonenumbers.country_code_for_region(self.country)}{digits.removeprefix(national)}")

    def _stands_in(self, sent: str) -> bool:
        word = re.sub(r"[\s().-]", "", sent.lower())
        digits = word.lstrip(PLUS)
        significant = digits.lstrip("0")
        if not significant or _ONE_DIGIT.fullmatch(digits):
            return True
        stand_ins = {*STAND_INS, *(part.lower() for part in self.stand_ins)}
        stand_ins |= {part.translate(_KEYPAD) for part in stand_ins}
        return word in stand_ins or bool({digits, significant} & {part.lstrip(PLUS) for part in stand_ins})

    def _own(self) -> set[str]:
        """The line's own numbers: a carrier that sends one of them as the caller's sends no caller."""
        return {spelt for line in self.ours if (spelt := self.typed(line)) is not None}


def for_the_eye(number: str) -> str:
    """A number as people read it: international, with spaces."""
    try:
        return str(phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    except phonenumbers.NumberParseException:
        return number


def _exact(digits: str) -> str | None:
    """These digits as E.164, when they are a valid number to the digit; nothing is stripped or guessed."""
    number = f"{PLUS}{digits}"
    return number if _valid(number) is not None else None


def _valid(number: str) -> PhoneNumber | None:
    if not re.fullmatch(rf"\+[1-9][0-9]{{3,{DIGITS_MAX - 1}}}", number):
        return None
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    return parsed if phonenumbers.is_valid_number(parsed) and _e164(parsed) == number else None


def _e164(number: PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _short(number: str, country: str) -> PhoneNumber:
    return PhoneNumber(
        country_code=phonenumbers.country_code_for_region(country),
        national_number=int(number),
        italian_leading_zero=number.startswith("0") or None,
    )
