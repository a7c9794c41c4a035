#!/usr/bin/env python3
"""Writes a Llama checkpoint of random f16 weights, for `flint convert`: a SiLU model of any size without a download.

Usage: random_llama_checkpoint.py DIR [--layers N] [--hidden N] [--feed-forward N] [--heads N] [--vocabulary N]

The shape is that of Llama 2 7B unless told otherwise. Speed and bytes read do not depend on the weights in exact mode; what the
model says means nothing. Needs Python alone.
"""

import argparse
import json
import pathlib
import random
import struct

BLOCK_NUMBERS = 1 << 20


def shape():
    parser = argparse.ArgumentParser(description="Write a Llama checkpoint of random f16 weights.")
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--feed-forward", type=int, default=11008)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--vocabulary", type=int, default=32000)
    return parser.parse_args()


def config(args):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": args.hidden, "intermediate_size": args.feed_forward, "num_hidden_layers": args.layers,
        "num_attention_heads": args.heads, "num_key_value_heads": args.heads, "vocab_size": args.vocabulary,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "float16", "bos_token_id": 1, "eos_token_id": 2,
    }


def tensors(args):
    """Names and sizes, in the order of the file."""
    hidden, wide = args.hidden, args.feed_forward
    yield "model.embed_tokens.weight", [args.vocabulary, hidden]
    for layer in range(args.layers):
        name = f"model.layers.{layer}.{{}}.weight".format
        for matrix in "qkvo":
            yield name(f"self_attn.{matrix}_proj"), [hidden, hidden]
        yield name("mlp.gate_proj"), [wide, hidden]
        yield name("mlp.up_proj"), [wide, hidden]
        yield name("mlp.down_proj"), [hidden, wide]
        yield name("input_layernorm"), [hidden]
        yield name("post_attention_layernorm"), [hidden]
    yield "model.norm.weight", [hidden]
    yield "lm_head.weight", [args.vocabulary, hidden]


def header(args):
    """The table of a safetensors file, and the bytes that follow it."""
    table, end = {}, 0
    for name, dims in tensors(args):
        start, end = end, end + 2 * dims[0] * (dims[1] if len(dims) == 2 else 1)
        table[name] = {"dtype": "F16", "shape": dims, "data_offsets": [start, end]}
    text = json.dumps(table).encode()
    return text + b" " * (-len(text) % 8), end


def write_weights(file, size):
    """One block of normal numbers over and over, each time from another place on."""
    numbers = random.Random(1)
    block = struct.pack(f"<{BLOCK_NUMBERS}e", *(numbers.gauss(0, 0.02) for _ in range(BLOCK_NUMBERS)))
    while size > 0:
        first = 2 * numbers.randrange(BLOCK_NUMBERS)
        piece = (block[first:] + block[:first])[:size]
        file.write(piece)
        size -= len(piece)


def main():
    args = shape()
    args.dir.mkdir(parents=True, exist_ok=True)
    (args.dir / "config.json").write_text(json.dumps(config(args), indent=1))
    table, size = header(args)
    with open(args.dir / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(table)) + table)
        write_weights(file, size)


main()
