"""The steps of a call, one file a script. Script, file, function and dialplan label share one name."""

from collections.abc import Callable

from ivr.call import CallerSession
from ivr.scripts.after_queue import after_queue
from ivr.scripts.answer import answer
from ivr.scripts.choose_language import choose_language
from ivr.scripts.leave_voicemail import leave_voicemail
from ivr.scripts.ping import ping
from ivr.scripts.route import route
from telephony import names

SCRIPTS: dict[str, Callable[[CallerSession], None]] = {
    names.ANSWER: answer,
    names.CHOOSE_LANGUAGE: choose_language,
    names.ROUTE: route,
    names.AFTER_QUEUE: after_queue,
    names.LEAVE_VOICEMAIL: leave_voicemail,
    names.PING: ping,
}
