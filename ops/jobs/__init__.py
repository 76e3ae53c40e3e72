"""The jobs process: background work, by the handlers of all rooms."""
