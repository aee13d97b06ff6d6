"""Causal language models as files: built, loaded, checked, quantised and opened."""

import logging

# At import, bitsandbytes recommends a package that downloads kernels. They compute in bf16, and are not used here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
