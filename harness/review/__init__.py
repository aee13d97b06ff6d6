"""People rate images of a run, blinded: one page goes out, files come back, and become numbers with intervals."""
