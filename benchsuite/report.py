"""Measures `semcov report`; see report.sh."""
import argparse
import datetime
import importlib.metadata as metadata
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

import numpy as np

import measure

parser = argparse.ArgumentParser()
parser.add_argument("--semcov", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--large", type=int, nargs="*", default=[100_000, 1_000_000])
args = parser.parse_args()
here = pathlib.Path(__file__).parent


def run(command):
    """Runs a command alone: wall seconds, peak memory in MiB, standard output."""
    seconds, _, peak, output, _ = measure.run(command)
    return seconds, peak, output


def clinc_train(path):
    splits = json.load(open(f"{args.data}/clinc150/data_full.json"))
    with open(path, "w") as out:
        for i, (text, label) in enumerate(splits["train"]):
            out.write(json.dumps({"id": f"train-{i:05}", "text": text, "label": label}) + "\n")
    return splits


def recombined(splits, n, folder):
    """n rows whose words are recombined from CLINC150's, with vectors around 3,000 random centres."""
    rng, words = np.random.default_rng(n), random.Random(n)
    texts = [text.split() for rows in splits.values() for text, _ in rows]
    centres = rng.standard_normal((3000, 384)).astype(np.float32)
    vectors = np.lib.format.open_memmap(folder / f"{n}.npy", "w+", np.float16, (n, 384))
    with open(folder / f"{n}.jsonl", "w") as out:
        for start in range(0, n, 10_000):
            rows = min(10_000, n - start)
            vectors[start:start + rows] = (centres[rng.integers(0, 3000, rows)]
                                           + rng.standard_normal((rows, 384), dtype=np.float32))
            for i in range(start, start + rows):
                one, two = words.choice(texts), words.choice(texts)
                text = " ".join(one[:len(one) // 2 + 1] + two[len(two) // 2:])
                out.write(json.dumps({"id": f"row-{i:07}", "text": text, "source": f"source-{i % 7}"}) + "\n")
    vectors.flush()


with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
    folder = pathlib.Path(folder)
    splits = clinc_train(folder / "train.jsonl")
    report = [args.semcov, "report", folder / "train.jsonl", "-q", "--device", "cpu", "--format", "json"]
    ours, cached, peers = [], [], []
    for i in range(args.runs):
        cache = folder / f"cache{i}"
        ours.append(run([*report, "--cache", cache, "-o", folder / "report.html"]))
        cached.append(run([*report, "--cache", cache, "-o", folder / "cached.html"]))
        found = json.loads(ours[-1][2])
        peers.append(run([sys.executable, here / "peer_report.py", folder / "train.jsonl", found["settings"]["leaves"]]))
    if ours[0][2] != cached[0][2] or (folder / "report.html").read_bytes() != (folder / "cached.html").read_bytes():
        sys.exit("the cached run wrote another report than the first")
    corpus = found["corpus"]
    peer = json.loads(peers[-1][2])

    def median(runs, field):
        return statistics.median(r[field] for r in runs)

    print(f"# semcov report, {datetime.date.today()}\n")
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    print(f"{os.cpu_count()} cores of {cpu}; "
          f"semcov {found['semcov_version']}, sentence-transformers {metadata.version('sentence-transformers')}, "
          f"torch {metadata.version('torch')}, scikit-learn {metadata.version('scikit-learn')}; medians of "
          f"{args.runs} paired runs; `benchsuite/report.sh {args.runs}`\n")
    print(f"CLINC150 train: {corpus['rows']:,} rows, {corpus['distinct_texts']:,} distinct texts, "
          f"{corpus['tokens']:,} tokens (peer: {peer['texts']:,} texts, {peer['tokens']:,} tokens).\n")
    print("| whole command | s | rows/s | tokens/s | peak MiB |\n|---|---|---|---|---|")
    for name, runs in [("semcov report", ours), ("sentence-transformers + scikit-learn", peers),
                       ("semcov report, second run", cached)]:
        s = median(runs, 0)
        print(f"| {name} | {s:.1f} | {corpus['rows'] / s:,.0f} | {corpus['tokens'] / s:,.0f} | {median(runs, 1):,.0f} |")
    ratio = statistics.median(p[0] / o[0] for o, p in zip(ours, peers))
    print(f"\nsemcov is {ratio:.2f} x the peer's speed (median of the paired ratios). Of the peer's last run, embedding took "
          f"{peer['embed']:.1f} s, analysis {peer['analyze']:.1f} s, loading {peer['load']:.1f} s.\n")
    print("| rows, vectors given | s | peak MiB |\n|---|---|---|")
    for n in args.large:
        recombined(splits, n, folder)
        seconds, memory, _ = run([args.semcov, "report", folder / f"{n}.jsonl", "-q", "--vectors", folder / f"{n}.npy",
                                  "--rows", folder / "rows.parquet", "--format", "json"])
        print(f"| {n:,} | {seconds:.0f} | {memory:,.0f} |", flush=True)
