"""Statistics, baselines and verdicts: which scores are compared, how sure a change is, and how it is worded."""
