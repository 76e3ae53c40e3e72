"""The room of what a caller hears: the FastAGI server, one file per script, and the prompts."""
