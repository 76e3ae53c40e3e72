"""A caller's channel and an agent's leg, as their AMI events look."""

from telephony import names
from telephony.clients.ami import AmiMessage

CALL = "8a54a6d2-d8cb-4218-b27a-aa435d229bfc"
UID = "asterisk-1795364862.15"
CALLER = {"Channel": "PJSIP/trunk-00000000", "Uniqueid": UID, "Linkedid": UID, "Context": "freeline", "Exten": "call"}
TRUNK = {**CALLER, "Context": "from-trunk", "Exten": "1800123456", "CallerIDNum": "0812345678"}
LEG = {"Channel": "PJSIP/agent1-00000001", "Uniqueid": "asterisk-1795364862.16", "Linkedid": UID, "Context": "agents"}
NAMED = {names.CALL: CALL}


def event(
    name: str,
    headers: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    dest_variables: dict[str, str] | None = None,
) -> AmiMessage:
    """An event as the reader passes it on."""
    lines = [f"Event: {name}\r\n", *(f"{k}: {v}\r\n" for k, v in (headers or {}).items())]
    lines += [f"ChanVariable: {k}={v}\r\n" for k, v in (variables or {}).items()]
    lines += [f"DestChanVariable: {k}={v}\r\n" for k, v in (dest_variables or {}).items()]
    return AmiMessage(lines)


def dial(name: str, from_leg: dict[str, str], to_leg: dict[str, str], status: str = "") -> AmiMessage:
    """An event of a channel that dials another of the same call."""
    dest = {f"Dest{key}": value for key, value in to_leg.items()}
    return event(name, {**from_leg, **dest, "DialStatus": status}, NAMED, NAMED)
