"""Programs that measure, break and show the service; each runs by a command of its own."""
