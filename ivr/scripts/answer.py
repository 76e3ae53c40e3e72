from hotline.calls.facts import Fact
from ivr import names
from ivr.call import ANY_KEY, CallerSession


def answer(call: CallerSession) -> None:
    """Store the call's arrival and greet the caller. A key pressed already now counts in the menu."""
    last = call.last_language()
    call.session.set_variable(names.LAST, last or "")
    call.speak(last or call.menu.no_key)
    with call.remembering(Fact.ARRIVED, call.facts.arrived):
        pressed = call.play(names.OPENING, ANY_KEY)
    if pressed:
        call.session.set_variable(names.TYPED, pressed)
