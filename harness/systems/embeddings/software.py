"""What vectors of texts may depend on, for every stage that opens an embedder of whatever kind."""

EMBEDDER = ("numpy", "scikit-learn", "scipy", "sentence-transformers", "tokenizers", "torch", "transformers")
