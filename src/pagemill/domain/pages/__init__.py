"""Documents, pages and their results: values in, values out."""
