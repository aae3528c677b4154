"""Everything that touches the outside world: files, processes, HTTP."""
