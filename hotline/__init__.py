"""What the hotline does: the rules of calls, cases, routing and the roster."""
