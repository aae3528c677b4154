"""A witness: processes that look at page images independently of the model that reads them."""
