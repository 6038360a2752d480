"""Networks of known architectures with seeded random weights, as PyTorch's two exporters write them."""
