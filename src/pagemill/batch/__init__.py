"""The main use case: read the documents of a source, a page at a time, a bounded number in flight.

documents.py   which documents, in what portions, finished how
pages.py       one page: draw, ask, judge, save
publishing.py  a document's results into what is shipped
progress.py    the figures that somebody is looking at while it runs
"""
