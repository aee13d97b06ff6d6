"""Training: of the autoencoder, and of the UNet on captioned images."""
