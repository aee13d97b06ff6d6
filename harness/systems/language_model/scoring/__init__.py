"""How likely texts are to a language model: windows over their tokens, and the network that predicts them."""
