"""The files of a version's folder. Knows no tensors: versions are listed without loading any."""

__all__ = ["CURVES", "DESCRIPTION", "FIRST_SET", "HINT", "WEIGHTS"]

WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
CURVES = "curves"  # losses of its training
FIRST_SET = "first-set"  # how probable what it published first was
HINT = "Train again with `relpred train`, or go back to another version with `relpred model promote`."
