from hotline.calls.facts import Fact
from hotline.queue.routing import Way
from ivr import names
from ivr.call import ANY_KEY, CallerSession
from ivr.questions import ask_whether_safe
from ivr.scripts.route import go, where_to
from telephony.names import CHOICE, CHOICE_CALLBACK, CHOICE_MESSAGE, QUEUE_STATUS, WAY, WAY_END, WAY_MESSAGE

TURNS = 3  # how often a caller goes back into a queue that ended without an answer
ANSWERED = "CONTINUE"  # app_queue: the agent hung up first
OVER = "TIMEOUT"


def after_queue(call: CallerSession) -> None:
    """Go on after the queue: the caller chose a call-back or a message, was answered, or the queue ended."""
    choice = call.session.get_variable(CHOICE)
    status = call.session.get_variable(QUEUE_STATUS)
    if choice == CHOICE_CALLBACK:
        _call_back(call)
    elif choice == CHOICE_MESSAGE:
        call.session.set_variable(WAY, WAY_MESSAGE)
    elif status == ANSWERED:
        _part(call)
    else:
        _again(call, over=status == OVER)


def _call_back(call: CallerSession) -> None:
    if call.withheld:
        call.session.set_variable(WAY, WAY_MESSAGE)
        call.play(names.NUMBER_WITHHELD, ANY_KEY)
        return
    call.session.set_variable(WAY, WAY_END)
    call.remember(Fact.CALLBACK)
    call.remember(Fact.CALLBACK, callback_said=ask_whether_safe(call))
    call.play(names.CALLBACK_NOTED)
    _part(call)


def _part(call: CallerSession) -> None:
    call.session.set_variable(WAY, WAY_END)
    call.play(names.GOODBYE)


def _again(call: CallerSession, *, over: bool) -> None:
    told = call.session.get_variable(names.TURNS)
    turns = int(told) if told.isdecimal() else 0
    if not over and turns < TURNS:
        found = where_to(call)
        if found.way is Way.QUEUE:
            call.session.set_variable(names.TURNS, str(turns + 1))
            go(call, found)
            return
    call.session.set_variable(WAY, WAY_MESSAGE)
    call.play(names.NOBODY, ANY_KEY)
