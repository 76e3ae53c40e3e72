"""Which numbers are certain, and which may be dialled: no carrier's form may become another person's number."""

from dataclasses import replace

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline.numbers import NO_PREFIX, Barred, Numbering, for_the_eye

THAI = Numbering("TH", ours=("1800123456",))
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
EXAMPLES = {
    region: [
        found
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
        if (found := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    for region in REGIONS
}


@st.composite
def valid_numbers(draw: st.DrawFn, of: str = "") -> str:
    """A valid number of some country, in E.164, with random last digits where those stay valid."""
    region = of or draw(st.sampled_from(REGIONS))
    plain = str(
        phonenumbers.format_number(draw(st.sampled_from(EXAMPLES[region])), phonenumbers.PhoneNumberFormat.E164)
    )
    tail = draw(st.text("0123456789", min_size=4, max_size=4))
    other = f"{plain[:-4]}{tail}"
    parsed = phonenumbers.parse(other)
    same = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == other
    return other if same and phonenumbers.is_valid_number(parsed) else plain


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0812345678", "+66812345678"),
        ("+66812345678", "+66812345678"),
        ("081-234-5678", "+66812345678"),
        ("+8562055512345", "+8562055512345"),
        ("021234567", "+6621234567"),
        # The samples of a carrier that is not set: no guess.
        ("8562055512345", None),
        ("0085512345678", None),
        ("66812345678", None),
        ("951234567", None),
        # Short codes, extensions, letters, too short, too long, and what is no number of the plan.
        ("1506", None),
        ("191", None),
        ("12", None),
        ("200123", None),
        ("0812345678x12", None),
        ("0812345678;ext=12", None),
        ("a0812345678", None),
        ("081234567", None),
        ("08123456789", None),
        ("+66812345678901", None),
        ("+660812345678", None),
        ("00812345678", None),
        ("66+812345678", None),
        ("++66812345678", None),
        ("0812345678+", None),
        ("٠٨١٢٣٤٥٦٧٨", None),
        ("0812345678\x00", None),
        ("+", None),
        ("", None),
        (None, None),
        # A line's own number is no caller's.
        ("1800123456", None),
        ("+661800123456", None),
    ],
)
def test_a_number_is_kept_only_when_it_is_certain(sent: str | None, kept: str | None) -> None:
    assert THAI.certain(sent) == kept


@pytest.mark.parametrize(
    ("numbering", "sent", "kept"),
    [
        (replace(THAI, e164_without_plus=True), "8562055512345", "+8562055512345"),
        (replace(THAI, e164_without_plus=True), "66812345678", "+66812345678"),
        (replace(THAI, e164_without_plus=True), "0812345678", "+66812345678"),
        (replace(THAI, international=("00",)), "0085512345678", "+85512345678"),
        (replace(THAI, international=("00",)), "0812345678", "+66812345678"),
        (replace(THAI, international=("00",)), "00185512345678", None),
        (replace(THAI, international=("001",)), "00185512345678", "+85512345678"),
        (replace(THAI, international=("001",)), "0085512345678", None),
        (Numbering("MM", international=("00",)), "0066812345678", "+66812345678"),
        (Numbering("MM"), "01234567", "+951234567"),
        (Numbering("IT"), "0612345678", "+390612345678"),
        (Numbering("HU"), "0612345678", "+3612345678"),
        (replace(THAI, national=NO_PREFIX), "812345678", "+66812345678"),
        (replace(THAI, national=NO_PREFIX), "0812345678", None),
        # Two readings that are both valid, here of Yangon and of a Thai mobile: nobody knows which.
        (replace(THAI, national=NO_PREFIX, e164_without_plus=True), "951234567", None),
        # 001 and 00 at once: a number of Singapore, or one of Florida.
        (replace(THAI, international=("00", "001")), "0016562123456", None),
    ],
)
def test_the_trunks_settings_say_how_it_writes_numbers(numbering: Numbering, sent: str, kept: str | None) -> None:
    assert numbering.certain(sent) == kept


@pytest.mark.parametrize(
    "sent",
    [
        *("0000000000", "000", "+0", "1111111111", "0123456789", "1234567890"),
        *("266696687", "+266696687", "0266696687", "7378742833", "7748483", "86282452253"),
        *("anonymous", "Anonymous", "unavailable", "Restricted", "PRIVATE", "unknown", "asterisk", "Out of area"),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
def test_what_stands_for_a_withheld_number_is_nobodys(sent: str, plain: bool) -> None:
    assert replace(THAI, e164_without_plus=plain, international=("00",)).certain(sent) is None


def test_a_carriers_own_stand_in_can_be_added() -> None:
    assert THAI.certain("0899999998") == "+66899999998"
    assert replace(THAI, stand_ins=("0899999998",)).certain("0899999998") is None
    assert replace(THAI, stand_ins=("0899999998",)).certain("+66899999998") == "+66899999998"


@settings(deadline=None)
@given(valid_numbers())
def test_each_form_that_is_set_gives_the_number_or_nothing(number: str) -> None:
    """With one form set it is the number itself; with several that contradict each other it may be nothing."""
    digits = number.lstrip("+")
    for numbering, sent in (
        (THAI, number),
        (replace(THAI, e164_without_plus=True), digits),
        (replace(THAI, international=("00",)), f"00{digits}"),
        (replace(THAI, international=("001",)), f"001{digits}"),
    ):
        assert numbering.certain(sent) in {number, None}
    assert THAI.certain(number) == number or THAI._stands_in(number)
    every = replace(THAI, e164_without_plus=True, international=("00", "001", "011"), national=NO_PREFIX)
    for sent in (number, digits, f"00{digits}", f"001{digits}"):
        assert every.certain(sent) in {number, None}


@settings(deadline=None)
@given(st.sampled_from(["TH", "MM", "KH", "LA", "VN", "NP", "US", "IT", "KR", "HU", "RU"]), st.data())
def test_a_national_number_is_one_of_its_country_to_the_digit(country: str, data: st.DataObject) -> None:
    number = data.draw(valid_numbers(country))
    numbering = Numbering(country)
    code = str(phonenumbers.country_code_for_region(country))
    sent = f"{numbering.national_prefix()}{number.lstrip('+').removeprefix(code)}"
    assert numbering.certain(sent) in {number, None}
    assert numbering.certain(sent) == number or numbering._stands_in(sent)


@settings(deadline=None)
@given(valid_numbers())
def test_a_form_that_is_not_set_never_becomes_another_number(number: str) -> None:
    digits = number.lstrip("+")
    for sent in (
        f"00{digits}",
        f"001{digits}",
        f"011{digits}",
        f"+00{digits}",
        f"0{digits}",
        f"{digits}x1",
        f"x{digits}",
    ):
        kept = THAI.certain(sent)
        assert kept is None or (sent.startswith("0") and kept == f"+66{sent[1:]}")


@settings(deadline=None)
@given(st.text(max_size=40) | st.text("+0123456789 -().", max_size=24))
def test_no_text_breaks_the_reading_and_what_is_kept_is_valid(sent: str) -> None:
    for numbering in (THAI, replace(THAI, e164_without_plus=True, international=("00",), national=NO_PREFIX)):
        kept = numbering.certain(sent)
        if kept is not None:
            assert phonenumbers.is_valid_number(phonenumbers.parse(kept))
            assert "".join(c for c in sent if c.isdigit()).endswith(kept[-6:])


@pytest.mark.parametrize(
    ("number", "barred"),
    [
        ("+66812345678", None),
        ("+6621234567", None),
        ("+661800654321", None),
        ("1669", None),
        ("1300", None),
        ("+661900123456", Barred.COSTLY),
        ("+85512345678", Barred.FOREIGN),
        ("+8562055512345", Barred.FOREIGN),
        ("+881612345678", Barred.FOREIGN),
        ("+18765551234", Barred.FOREIGN),
        ("+668562055512345", Barred.DOUBTFUL),
        ("0000000000", Barred.DOUBTFUL),
        ("266696687", Barred.DOUBTFUL),
        ("66812345678", Barred.DOUBTFUL),
    ],
)
def test_what_may_be_dialled(number: str, barred: Barred | None) -> None:
    assert THAI.barred(number) is barred


def test_countries_and_prefixes_are_allowed_by_settings() -> None:
    allows = replace(THAI, dial_countries=("LA",), dial_prefixes=("+661900", "+8816"))
    assert allows.barred("+8562055512345") is None
    assert allows.barred("+661900123456") is None
    assert allows.barred("+881612345678") is None
    assert allows.barred("+85512345678") is Barred.FOREIGN
    assert replace(THAI, dial_countries=("GB",)).barred("+448712345678") is Barred.COSTLY
    assert replace(THAI, dial_countries=("US",)).barred("+18765551234") is Barred.FOREIGN


def test_a_number_kept_by_guessing_is_dialled_only_where_no_guess_was_needed() -> None:
    allows = replace(THAI, dial_countries=("BR", "KH"))
    assert allows.barred("+85512345678") is None
    assert allows.barred("+85512345678", certain=False) is Barred.DOUBTFUL
    assert allows.barred("+66812345678", certain=False) is None
    assert replace(allows, e164_without_plus=True).barred("+66951234567", certain=False) is Barred.DOUBTFUL


def test_a_call_back_is_offered_only_to_a_number_that_would_be_dialled() -> None:
    assert THAI.can_call_back("0812345678")
    for sent in ("+8562055512345", "+661900123456", "anonymous", "0085512345678", None):
        assert not THAI.can_call_back(sent)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("081 234 5678", "+66812345678"),
        ("+66 (0)81 234 5678", "+66812345678"),
        ("+856 20 5551 2345", "+8562055512345"),
        ("1669", "1669"),
        ("081 234 5678 ext. 5", None),
        ("12", None),
        ("nobody", None),
        ("1234567", None),
    ],
)
def test_people_may_type_a_number_as_they_write_it(typed: str, kept: str | None) -> None:
    assert THAI.typed(typed) == kept


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        ("0812345678", "0ddddddddd"),
        ("+66 81 234-5678", "+ddddddddddd"),
        ("0066812345678", "00ddddddddddd international=00"),
        ("00166812345678", "00dddddddddddd international=001"),
        ("66812345678", "ddddddddddd e164"),
        ("812345678", "ddddddddd national=none"),
        ("12", "other"),
        ("sip:somebody", "other"),
        ("+1", "withheld"),
        ("anonymous", "withheld"),
        ("266696687", "withheld"),
        ("0000", "withheld"),
    ],
)
def test_a_form_tells_no_digit_and_how_the_trunk_is_to_be_set(sent: str, form: str) -> None:
    """A certain number needs no hint."""
    assert THAI.form(sent) == form


def test_a_carriers_own_word_for_withheld_is_known_on_the_keys_of_a_telephone_too() -> None:
    """GEHEIM is 434346 there."""
    own = replace(THAI, stand_ins=("Geheim",))
    assert {own.form(sent) for sent in ("geheim", "GEHEIM", "434346", "+434346", "00434346")} == {"withheld"}
    assert "withheld" not in {THAI.form("434346"), own.form("434347")}


def test_a_form_with_the_settings_of_the_hint_is_certain() -> None:
    """Each hint, as somebody would follow it."""
    followed = {
        "e164": {"e164_without_plus": True},
        "international": {"international": ("00",)},
        "national": {"national": NO_PREFIX},
    }
    for sent in ("0066812345678", "66812345678", "812345678"):
        shape, hint = THAI.form(sent).split()
        set_up = replace(THAI, **followed[hint.partition("=")[0]])  # type: ignore[arg-type]
        assert set_up.certain(sent) == "+66812345678"
        assert set_up.form(sent) == shape


@pytest.mark.parametrize(
    ("number", "shown"), [("+66812345678", "+66 81 234 5678"), ("191", "191"), ("somebody", "somebody")]
)
def test_what_is_no_number_is_shown_as_it_is(number: str, shown: str) -> None:
    assert for_the_eye(number) == shown
