"""From captions to images: prompts, schedulers, the sampler, and images that other systems made."""
