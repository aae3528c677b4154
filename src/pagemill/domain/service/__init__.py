"""The GPU service: what it is to be, what it costs, whether it reads well."""
