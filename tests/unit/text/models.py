"""Tiny models with random weights, made in a folder without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

WORDS = ("ada", "wrote", "the", "first", "program", "for", "a", "machine", "that", "never", "ran")
END = "<|end|>"


def tiny_bert(folder: Path) -> Path:
    """Two small BERT layers and a WordPiece tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: row for row, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    wrapped: Any = PreTrainedTokenizerFast
    wrapped(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,  # wide, so that tokens change each other
    )
    BertModel(config).save_pretrained(folder)
    return folder


def bytes_tokenizer(*, end: bool = False) -> Any:
    """A token for each byte, no padding token; `end` puts the mark of the end behind each text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: row for row, word in enumerate([*alphabet, END])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    if end:
        mark = (END, len(alphabet))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[mark])
    wrapped: Any = PreTrainedTokenizerFast
    return wrapped(tokenizer_object=tokenizer, eos_token=END)


def tiny_causal(
    folder: Path, kind: Literal["llama", "gpt2"] = "llama", *, padding: str = "right", end: bool = False
) -> Path:
    """Two small causal layers over bytes."""
    from transformers import GPT2Config, GPT2Model, LlamaConfig, LlamaModel

    tokenizer = bytes_tokenizer(end=end)
    tokenizer.padding_side = padding
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model: Any
    if kind == "llama":
        model = LlamaModel(
            LlamaConfig(
                vocab_size=257,
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=128,
                initializer_range=0.3,
            )
        )
    else:
        model = GPT2Model(
            GPT2Config(vocab_size=257, n_embd=16, n_layer=2, n_head=2, n_positions=128, initializer_range=0.3)
        )
    model.save_pretrained(folder)
    return folder
