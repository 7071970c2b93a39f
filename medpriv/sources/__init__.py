"""Sources: one module a publisher's format; each brings raw files in and parses them into a `Dataset`."""
