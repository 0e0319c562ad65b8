"""semcov on a GPU: parity with its own f32 vectors on the CPU, and throughput beside sentence-transformers; see gpu.sh."""
import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

LEAST_COSINE = 0.9995
LENGTHS = [16, 64, 256]  # tokens of a text, [CLS] and [SEP] included
PARITY_TEXTS = 2000
FLOP_PER_TOKEN = 21.23e6  # linear layers of all-MiniLM-L6-v2
FLOP_OF_ATTENTION = 9216  # per token, and token of its text
MODEL = pathlib.Path("models/all-MiniLM-L6-v2")

parser = argparse.ArgumentParser()
parser.add_argument("--semcov", required=True)
parser.add_argument("--bench")
parser.add_argument("--device", default="cuda")
parser.add_argument("--tokens", type=int, default=16_000_000, help="of each length")
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()
folder = pathlib.Path(tempfile.mkdtemp(prefix="semcov-gpu-"))

vocabulary = json.loads((MODEL / "tokenizer.json").read_text())["model"]["vocab"]
words = sorted(word for word in vocabulary if re.fullmatch("[a-z]{3,}", word))  # each is one token


def texts(lengths, seed):
    """Distinct texts of random words, with as many tokens as `lengths` says."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=length - 2)) for length in lengths]


def rows(name, some):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in some))
    return path


def embed(path, device, precision="auto"):
    """Vectors, the arithmetic that was chosen, the seconds that semcov says embedding took, from rows to its store, and those of the whole command."""
    out = folder / "vectors.npy"
    start = time.perf_counter()
    done = subprocess.run([options.semcov, "embed", path, "-o", out, "--device", device, "--precision", precision,
                           "--cache", "none"],
                          capture_output=True, text=True)
    whole = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(done.stderr)
    said = re.search(r"embedded ([\d,]+) texts in ([\d.]+) s \(([\d,]+) texts/s\)", done.stderr)
    # The rate has more digits than the seconds.
    seconds = int(said[1].replace(",", "")) / int(said[3].replace(",", ""))
    chosen = re.search(r"encoder .* on .*, in (\S+)", done.stderr)[1]
    return np.load(out).astype(np.float64), chosen, seconds, whole


def peer(some):
    """Tokens a second of sentence-transformers in f16 for each batch size, on the same texts."""
    try:
        import sentence_transformers
        import torch
    except ImportError:
        return {}, "sentence-transformers is not installed here"
    if not torch.cuda.is_available():
        return {}, "torch finds no GPU here"
    model = sentence_transformers.SentenceTransformer(str(MODEL), device="cuda").half()
    model.max_seq_length = 256
    model.encode(some[:1000], batch_size=256)
    rates = {}
    for batch in (32, 256, 1024):
        start = time.perf_counter()
        model.encode(some, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
        torch.cuda.synchronize()
        rates[batch] = time.perf_counter() - start
    name = f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}, f16"
    return rates, f"{name}, {torch.cuda.get_device_name()}"


def figure(x):
    return "not measured" if x is None else f"{x:,.0f}"


mixed = [random.Random(1).randint(3, 256) for _ in range(PARITY_TEXTS)] + [3, 17, 18, 34, 66, 130, 256]
path = rows("mixed", texts(mixed, 2))
expected, (got, chosen, *_) = embed(path, "cpu", "f32")[0], embed(path, options.device)
cosines = (expected * got).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(got, axis=1)
print(f"## Parity\n\n{len(cosines):,} texts of 3 to 256 tokens, `--device {options.device}` (in {chosen}) beside `--device cpu "
      f"--precision f32`: cosine {cosines.mean():.7f} on average, {cosines.min():.7f} at least (at least {LEAST_COSINE} is asked for).\n",
      flush=True)
if not cosines.min() >= LEAST_COSINE:
    sys.exit(f"text {cosines.argmin()} has a cosine of {cosines.min():.6f}")

print(f"## Throughput\n\nTexts of random words, {options.tokens:,} tokens of each length. semcov: medians of "
      f"{options.rounds} runs; from rows of a file to vectors in the store, and of the whole command with the start of the "
      "device and the output file. Its stages alone, by the bench: tokenization, and the forward pass with pooling. The "
      "peer: one run each from texts to vectors, its best batch size.\n")
print("| tokens per text | semcov, tokens/s | whole command | tokenization alone | forward alone | TFLOP/s of it | "
      "least cosine | peer, tokens/s (batch) | semcov to peer |\n|---|---|---|---|---|---|---|---|---|", flush=True)
said, clustered = "", []
for length in LENGTHS:
    count = max(options.tokens // length, 8)
    some = texts([length] * count, length)
    path, tokens = rows(str(length), some), count * length
    runs = [embed(path, options.device)[2:] for _ in range(options.rounds)]
    rate, whole = (tokens / statistics.median(run[i] for run in runs) for i in (0, 1))
    forward = tokenizing = flops = cosine = None
    if options.bench:
        plain = folder / "texts.txt"
        plain.write_text("\n".join(some))
        command = [options.bench, str(options.rounds), plain, options.device]
        line = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        assert line["tokens"] == tokens, "each word is one token"
        forward, tokenizing = line["tokens_per_second"], line["tokens_per_second_tokenizing"]
        flops = forward * (FLOP_PER_TOKEN + FLOP_OF_ATTENTION * length) / 1e12
        cosine = line["least_cosine"]
        clustered.append((count, line["k_means_seconds"], line["k_means_seconds_on_processor"], line["same_clusters"]))
    seconds, said = peer(some)
    batch = min(seconds, key=seconds.get, default=None)
    best = tokens / seconds[batch] if seconds else None
    compared = f"{best:,.0f} ({batch}) | {rate / best:.2f}" if best else "not measured | "
    print(f"| {length} | {rate:,.0f} | {whole:,.0f} | {figure(tokenizing)} | {figure(forward)} | "
          f"{'not measured' if flops is None else f'{flops:.2f}'} | {'not measured' if cosine is None else f'{cosine:.6f}'} | "
          f"{compared} |", flush=True)
print(f"\nThe peer: {said}.")
if clustered:
    print("\n## Clustering\n\nTen iterations of k-means with 1,024 centroids over the vectors, on the device and on the "
          f"{os.cpu_count()} threads of the processor. One run each.\n\n| vectors | device, s | processor, s | ratio | same clusters |\n|---|---|---|---|---|")
    for count, seconds, on_processor, same in clustered:
        print(f"| {count:,} | {seconds:.2f} | {on_processor:.2f} | {on_processor / seconds:.1f} | {'yes' if same else 'NO'} |")
    if not all(row[-1] for row in clustered):
        sys.exit("the device found other clusters than the processor")
