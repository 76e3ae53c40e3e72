"""Code that tests share: parts, callers, factories and waiting. No test is here."""
