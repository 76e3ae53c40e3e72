from hotline.calls.facts import Fact
from ivr import names
from ivr.call import ANY_KEY, CallerSession
from telephony.names import QUEUE, QUIET


def choose_language(call: CallerSession) -> None:
    """Offer each language in that language; any key may be pressed at any time. Every caller ends up with a language.

    0 is for callers who cannot speak: their last language, else the one for no key, without more waiting. After
    `settings.wrong_keys` rounds without a key of the menu it is the language for no key.
    """
    menu = call.menu
    last = call.session.get_variable(names.LAST)
    usual = last if menu.key_of(last) else menu.no_key
    call.speak(usual)
    pressed = call.session.get_variable(names.TYPED) or _introduce(call, repeat=menu.key_of(last) is not None)
    keyed = False
    for _ in range(call.settings.wrong_keys):
        pressed = pressed or _invite(call)
        if pressed in menu.keys:
            _settle(call, menu.keys[pressed], chosen=True, keyed=True)
            return
        if pressed == QUIET:
            _settle(call, usual, chosen=usual == last, keyed=True)
            return
        if pressed:
            if not keyed:
                call.remember(Fact.KEY)
                keyed = True
            pressed = call.play(names.WRONG_KEY, ANY_KEY)
    _settle(call, menu.no_key, chosen=False, keyed=False)


def _introduce(call: CallerSession, *, repeat: bool) -> str | None:
    """Say what to press for callers who cannot speak, and offer a repeat caller the language of the last call."""
    return call.play(names.QUIET, ANY_KEY) or (call.play(names.AGAIN, ANY_KEY) if repeat else None)


def _invite(call: CallerSession) -> str | None:
    for code in call.menu.keys.values():
        pressed = call.play(names.INVITE, ANY_KEY, language=code)
        if pressed:
            return pressed
    return call.hear(call.settings.menu_wait_s)


def _settle(call: CallerSession, language: str, *, chosen: bool, keyed: bool) -> None:
    call.session.set_variable(QUEUE, language)
    call.session.set_variable("CHANNEL(language)", language)
    facts = (Fact.KEY, Fact.LANGUAGE) if keyed else (Fact.LANGUAGE,)
    call.remember(*facts, language=language, chosen=chosen)
