#!/usr/bin/env python3
"""Decode speed of llama.cpp on a GGUF file: a peer for `cargo xtask compare --peer-preset llama.cpp`.

    pip install llama-cpp-python            # builds llama.cpp for this machine; needs a C++ compiler
    python3 crates/lab/peers/llama_cpp_decode.py MODEL.gguf TOKENS THREADS

Weights are mapped (mmap), not copied; keys and values are f16; one warm-up token, then TOKENS - 1 measured
ones, each given rather than sampled, so that no time goes into sampling and a seed gives the same sequence.
"""
import random
import sys
import time

import llama_cpp


def bytes_read():
    """Bytes that this process had read from storage, where the kernel counts them."""
    try:
        with open("/proc/self/io") as counts:
            return next(int(line.split()[1]) for line in counts if line.startswith("read_bytes"))
    except (OSError, StopIteration):
        return None


def main():
    model_path, tokens, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    started = time.perf_counter()
    model = llama_cpp.Llama(
        model_path, n_ctx=max(64, tokens + 8), n_batch=8, n_threads=threads, n_threads_batch=threads,
        use_mmap=True, use_mlock=False, n_gpu_layers=0, verbose=False,
    )
    print(f"load: {time.perf_counter() - started:.2f} s", flush=True)
    choose = random.Random(1)
    sequence = [choose.randrange(3, model.n_vocab()) for _ in range(tokens)]
    model.eval(sequence[:1])
    before, started = bytes_read(), time.perf_counter()
    for token in sequence[1:]:
        model.eval([token])
    seconds, after = time.perf_counter() - started, bytes_read()
    print(f"decode: {(tokens - 1) / seconds:.5g} tok/s")
    if before is not None:
        print(f"decode: read {(after - before) / (tokens - 1):.5g} bytes per token")


main()
