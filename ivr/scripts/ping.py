from ivr.call import CallerSession


def ping(call: CallerSession) -> None:
    """Answer the supervisor: reaching this function is the answer."""
