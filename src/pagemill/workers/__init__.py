"""Processes of our own that open what strangers made: how they are started, contained, asked and stopped."""
