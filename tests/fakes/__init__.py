"""Programs that behave like what pagemill talks to, down to how it fails."""
