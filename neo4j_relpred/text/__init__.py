"""Text to vectors: a transformers encoder and a cache by content. Knows no graph."""
