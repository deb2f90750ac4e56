"""Made-up microscope images with exact ground truth."""
