"""Nearest neighbours: semcov in 8 bits and in f32, faiss IndexFlatIP; see nearest.sh.

usage: nearest.py BENCH RUNS REFERENCE VECTORS.npy...

Runs the bench and faiss in turn, on the same rows in the same order, with two threads each. Prints Markdown: medians, and
the ratios of the runs in pairs.
"""
import json
import statistics
import subprocess
import sys
import time

import faiss
import numpy as np

STRIDE = 15_485_863  # as in benches/nearest.rs
bench, runs, reference, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
faiss.omp_set_num_threads(2)
vectors = np.concatenate([np.load(file).astype(np.float32) for file in files])
vectors = vectors[np.arange(len(vectors)) * STRIDE % len(vectors)]
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)


def rows_per_second(columns, k):
    start = time.perf_counter()
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(columns)
    index.search(vectors[reference:], k)
    return (len(vectors) - reference) / (time.perf_counter() - start)


results = []
for _ in range(runs):
    line = subprocess.run([bench, str(reference), *files], check=True, capture_output=True, text=True).stdout
    results.append(json.loads(line) | {"nearest_faiss": rows_per_second(vectors[:reference], 5)})
    print(json.dumps(results[-1]), file=sys.stderr)

first = results[0]
print(f"{first['queries']:,} queries, {vectors.shape[1]} components, 2 threads, faiss {faiss.__version__}; "
      f"medians of {runs} runs in pairs.\n")
print("| rows/s | f32 | 8 bits | faiss IndexFlatIP | 8 bits to f32 | to faiss | rows that differ from f32 |\n|---|---|---|---|---|---|---|")
median = [statistics.median(run[f"nearest_{kind}"] for run in results) for kind in ("f32", "int8", "faiss")]
ratio = [statistics.median(run["nearest_int8"] / run[f"nearest_{kind}"] for run in results) for kind in ("f32", "faiss")]
rates = " | ".join(f"{rate:,.0f}" for rate in median)
print(f"| 5 of {reference:,} rows | {rates} | {ratio[0]:.1f} | {ratio[1]:.1f} | {first['nearest_differ']} |")
