"""The deploy flow: wiring, session, approval, parameters and report."""
