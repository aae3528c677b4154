"""The watcher: uploads that are notified become runs, many in one."""
