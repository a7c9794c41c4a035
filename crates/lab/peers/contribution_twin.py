"""Rules for leaving neurons out of a Llama model, compared in numpy (f32): docs/results/contribution.md.

usage: contribution_twin.py MODEL.gguf CALIBRATION.json HELD_OUT.json [TOKENS]
The JSON files are lists of token ids, as the server's /tokenize gives them. Needs numpy and gguf.
"""

import json
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

WINDOW = 512
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8)


class Model:
    def __init__(self, path):
        reader = GGUFReader(path)
        shape = lambda tensor: tuple(int(side) for side in tensor.shape)[::-1]
        weights = lambda it: dequantize(it.data, it.tensor_type).astype(np.float32).reshape(shape(it))
        self.tensors = {tensor.name: weights(tensor) for tensor in reader.tensors}
        field = lambda name: reader.fields[f"llama.{name}"].parts[-1][0]
        self.layers = int(field("block_count"))
        self.heads = int(field("attention.head_count"))
        self.kv_heads = int(field("attention.head_count_kv"))
        self.epsilon = float(field("attention.layer_norm_rms_epsilon"))
        self.width = int(field("embedding_length")) // self.heads
        inverse = float(field("rope.freq_base")) ** (-np.arange(0, self.width, 2) / self.width)
        angles = np.arange(WINDOW)[:, None] * inverse
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        self.mask = np.triu(np.full((WINDOW, WINDOW), -np.inf, np.float32), 1)
        part = lambda name: [self.tensors[f"blk.{layer}.{name}.weight"] for layer in range(self.layers)]
        self.gates, self.ups, self.downs = part("ffn_gate"), part("ffn_up"), part("ffn_down")
        self.gate_copies, self.up_copies = [[copied(rows) for rows in all] for all in (self.gates, self.ups)]
        self.down_copies = [copied(down) for down in self.downs]
        self.lengths = [np.linalg.norm(down, axis=0) for down in self.downs]

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.tensors[name]

    def rotated(self, x):
        count = len(x)
        cos, sin, a, b = self.cos[:count, None], self.sin[:count, None], x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2], out[..., 1::2] = a * cos - b * sin, a * sin + b * cos
        return out

    def attend(self, layer, x):
        matrix = lambda name: self.tensors[f"blk.{layer}.attn_{name}.weight"].T
        h = self.norm(x, f"blk.{layer}.attn_norm.weight")
        queries, keys, values = h @ matrix("q"), h @ matrix("k"), h @ matrix("v")
        out = np.empty_like(queries)
        for first in range(0, len(x), WINDOW):
            rows = slice(first, min(first + WINDOW, len(x)))
            count = rows.stop - first
            split = lambda it, heads: it[rows].reshape(count, heads, self.width)
            q = self.rotated(split(queries, self.heads))
            k, v = self.rotated(split(keys, self.kv_heads)), split(values, self.kv_heads)
            for head in range(self.heads):
                own = head * self.kv_heads // self.heads
                scores = q[:, head] @ k[:, own].T / np.sqrt(self.width) + self.mask[:count, :count]
                scores = np.exp(scores - scores.max(-1, keepdims=True))
                scores /= scores.sum(-1, keepdims=True)
                out[rows, head * self.width : (head + 1) * self.width] = scores @ v[:, own]
        return x + out @ matrix("output")

    def products(self, layer, h):
        return silu(h @ self.gate_copies[layer].T) * (h @ self.up_copies[layer].T)

    def scores(self, layer, h):
        return np.abs(self.products(layer, h)) * self.lengths[layer]

    def feed(self, layer, x, keep):
        h = self.norm(x, f"blk.{layer}.ffn_norm.weight")
        activations = silu(h @ self.gates[layer].T) * (h @ self.ups[layer].T)
        if not keep:
            return x + activations @ self.downs[layer].T, h
        kept = keep(layer, self.scores(layer, h))
        x = x + (activations * kept) @ self.downs[layer].T
        if getattr(keep, "copies", False):
            x = x + (self.products(layer, h) * ~kept) @ self.down_copies[layer].T
        return x, h

    def odds(self, x):
        head = self.tensors.get("output.weight", self.tensors["token_embd.weight"])
        logits = self.norm(x, "output_norm.weight") @ head.T
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))

    def run(self, tokens, keep=None):
        x = self.tensors["token_embd.weight"][tokens]
        for layer in range(self.layers):
            x, _ = self.feed(layer, self.attend(layer, x), keep)
        return self.odds(x)


def silu(x):
    return x / (1 + np.exp(-x))


def copied(rows):
    """The rows as Q4_0 gives them back, each block with the scale that errs least."""
    blocks = rows.reshape(-1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    best, least = np.zeros_like(blocks), np.full(len(blocks), np.inf)
    for clip in CLIPS:
        scale = (largest / -8 * clip).astype(np.float16).astype(np.float32)
        codes = np.clip(np.rint(blocks / np.where(scale == 0, 1, scale)), -8, 7)
        error = ((codes * scale - blocks) ** 2).sum(1)
        better = error < least
        best[better], least = (codes * scale)[better], np.minimum(error, least)
    return best.reshape(rows.shape)


def divergence(whole, other):
    return (np.exp(whole) * (whole - other)).sum(-1)


def main():
    model = Model(sys.argv[1])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1024
    learnt, held_out = (np.array(json.load(open(path)))[:count] for path in sys.argv[2:4])

    # What each layer sees of the first text, and how large the hidden state is behind it.
    x, seen, between, sizes = model.tensors["token_embd.weight"][learnt], [], [], []
    for layer in range(model.layers):
        x = model.attend(layer, x)
        between.append(x)
        x, h = model.feed(layer, x, None)
        seen.append(model.scores(layer, h))
        sizes.append((1 / (x * x).sum(-1)).mean() ** -0.5)

    # The weight of a layer: the root of what the model suffers over the square of what is left out.
    some = slice(0, 256)
    whole, weights = model.odds(x[some]), []
    for layer in range(model.layers):
        cut = np.quantile(seen[layer], 0.5)
        x, _ = model.feed(layer, between[layer][some], lambda _, scores: scores >= cut)
        for later in range(layer + 1, model.layers):
            x, _ = model.feed(later, model.attend(later, x), None)
        square = np.where(seen[layer][some] < cut, seen[layer][some] ** 2, 0).sum() / 256
        weights.append(np.sqrt(divergence(whole, model.odds(x)).mean() / square))
    weights, inverse = np.array(weights), 1 / np.array(sizes)
    print("weights over the inverse of the hidden state's size:", np.round(weights / inverse, 2))

    def common(share, weights):
        level = np.quantile(np.concatenate([it.ravel() * w for it, w in zip(seen, weights)]), share)
        return [level / w for w in weights]

    def by_cut(cuts):
        return lambda layer, scores: scores >= cuts[layer]

    def with_copies(keep):
        keep.copies = True
        return keep

    def strongest(shares):
        def keep(layer, scores):
            kept = scores.shape[1] - int(round(shares[layer] * scores.shape[1]))
            cut = np.partition(scores, scores.shape[1] - kept, axis=1)[:, scores.shape[1] - kept]
            return scores >= cut[:, None]

        return keep

    def relative(scores):
        return scores / ((scores * scores).mean(-1, keepdims=True)) ** 0.25

    exact = model.run(held_out)
    for share in (0.3, 0.5, 0.7, 0.9):
        cuts = common(share, weights)
        shares = [(scores < cut).mean() for scores, cut in zip(seen, cuts)]
        relative_cuts = [np.quantile(relative(scores), own) for scores, own in zip(seen, shares)]
        rules = {
            "same share in every layer": by_cut([np.quantile(scores, share) for scores in seen]),
            "weighed by the hidden state": by_cut(common(share, inverse)),
            "weighed by divergence": by_cut(cuts),
            "weighed by divergence, copies for the rest": with_copies(by_cut(cuts)),
            "strongest of each token": strongest(shares),
            "over the token's own strength": lambda layer, scores: relative(scores) >= relative_cuts[layer],
        }
        for name, keep in rules.items():
            found = 1000 * divergence(exact, model.run(held_out, keep))
            margin = 1.96 * found.std() / np.sqrt(len(found))
            print(f"{share} left out, {name}: {found.mean():.2f} +- {margin:.2f} thousandths of a nat", flush=True)


if __name__ == "__main__":
    main()
