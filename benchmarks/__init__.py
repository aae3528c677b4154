"""What measures the promises: one command each, ratios from one run."""
