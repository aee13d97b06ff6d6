"""Fine-tuning: of all weights, or of low-rank adapters on weights that stay as they are, in four bits or not."""
