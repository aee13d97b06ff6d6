"""Statistics, baselines and verdicts: which scores are compared, how certain a change is, and how it is worded."""
