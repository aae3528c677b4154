"""The main use case: read the documents of a source, page by page, with a bounded number of pages in flight.

A run goes through these modules in one direction:

run.py          the documents of a run, read in chunks of pages
opening.py      list the source, skip finished documents, open the others
pages.py        one page: render, wait for the gate and a slot, send, judge, save
lost_pages.py   when the rest of a document is not rendered: a circuit breaker
gate.py         whether pages may be sent at all: a circuit breaker
outcomes.py     the result of a document
publishing.py   the checkpoints of a document into its Markdown, JSONL and manifest
checkpoints.py  one object for each finished page
shards.py       a run whose pages are read by other runs
"""
