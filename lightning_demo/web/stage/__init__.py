"""The stage: a talk's second screen, and the presenter's desk that says what it shows.

`wall` is what the hall sees, and `walls` all of them by their codes; `rights` says who may present.
A presenter's live connection is watched by its `desk`; screens follow over a socket of their own
(`follow`). `stage` is all that together, with `audience` and `battle`, for one server.
"""
