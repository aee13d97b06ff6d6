"""The sections of ``report.html``: each a function of the context, None where the run has nothing for it."""
