"""Names of the prompts, and of the channel variables between scripts. The other variables are in telephony."""

OPENING = "opening"
QUIET = "quiet"
INVITE = "invite"
AGAIN = "again"
WRONG_KEY = "wrong_key"
CONNECTING = "connecting"
COMFORT = "comfort"
OFFER = "offer"
NOBODY = "nobody"
MESSAGE_TERMS = "message_terms"
SAFE_TO_CALL = "safe_to_call"
CALLBACK_NOTED = "callback_noted"
NUMBER_WITHHELD = "number_withheld"
THANKS = "thanks"
CANNOT_RECORD = "cannot_record"
GOODBYE = "goodbye"
LINE_BUSY = "line_busy"
# Played by the dialplan alone: to a worker whose agent's leg broke off, and to an agent whose mobile rings.
PLEASE_HOLD = "please_hold"
MOBILE_CALL = "mobile_call"

PROMPTS = (
    OPENING,
    QUIET,
    INVITE,
    AGAIN,
    WRONG_KEY,
    CONNECTING,
    COMFORT,
    OFFER,
    NOBODY,
    MESSAGE_TERMS,
    SAFE_TO_CALL,
    CALLBACK_NOTED,
    NUMBER_WITHHELD,
    THANKS,
    CANNOT_RECORD,
    GOODBYE,
    LINE_BUSY,
    PLEASE_HOLD,
    MOBILE_CALL,
)
# These speak of the language's own key: another language's sound in their place would say a wrong key.
OF_THE_KEY = (INVITE, AGAIN)

TONE = "tone"
HOLD = "hold/hold"

TYPED = "FREELINE_TYPED"  # the key that cut the opening short: it counts in the menu
LAST = "FREELINE_LAST"  # the language a repeat caller chose last, read before this call becomes the last one
TURNS = "FREELINE_TURNS"  # how often a caller came out of the queue without being answered
