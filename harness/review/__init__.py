"""Blinded ratings of a run's images: makes the page, reads reviewers' files, computes means with intervals."""
