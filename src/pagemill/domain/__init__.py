"""Pure: values in, values out. Imports nothing but pagemill.errors."""
