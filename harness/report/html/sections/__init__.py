"""The sections of ``report.html``: each is a function of the context, and returns None if the run has no data."""
