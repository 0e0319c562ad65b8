"""The map of some vectors: semcov and umap-learn, seeded and not; see map.sh.

usage: map.py BENCH RUNS VECTORS.npy [POINTS...]

Runs the programs in turn on the same vectors, with two threads each, neighbours included. Prints Markdown: medians of times,
of the ratios in pairs, and of trustworthiness (scikit-learn's, k = 15, cosine; on 5,000 of the points).
"""
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import umap
from sklearn.manifold import trustworthiness

warnings.filterwarnings("ignore")
bench, runs, file, sizes = sys.argv[1], int(sys.argv[2]), sys.argv[3], [int(size) for size in sys.argv[4:]]
vectors = np.load(file).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
judged = np.random.RandomState(0).permutation(len(vectors))[:5000]
trust = {True: [], False: []}


def judge(places):
    return trustworthiness(vectors[judged], places[judged], n_neighbors=15, metric="cosine")


def semcov(rows, *options):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/in.npy", rows)
        command = [bench, f"{folder}/in.npy", f"{folder}/out.npy", *map(str, options)]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(line)["seconds"], np.load(f"{folder}/out.npy")


def umap_learn(seed):
    start = time.perf_counter()
    places = umap.UMAP(metric="cosine", random_state=seed).fit_transform(vectors)
    return time.perf_counter() - start, places


for seed in (0, None):
    umap.UMAP(metric="cosine", random_state=seed).fit_transform(vectors[:5000])  # compiles
programs = {
    "semcov": lambda run: semcov(vectors, run),
    "umap-learn, seeded": umap_learn,
    "umap-learn, without a seed": lambda _: umap_learn(None),
}
results = []
for run in range(runs):
    results.append({name: (seconds, judge(places)) for name, (seconds, places) in
                    ((name, program(run)) for name, program in programs.items())})
    print(results[-1], file=sys.stderr)
first, second = (semcov(vectors, 0)[1] for _ in range(2))
exact, leaves = judge(first), judge(semcov(vectors, 0, 0)[1])

print(f"{len(vectors):,} vectors of {vectors.shape[1]} components, 2 threads, umap-learn {umap.__version__}, medians of "
      f"{runs} runs in turn.\n")
print("| | seconds | times as long as semcov | trustworthiness |\n|---|---|---|---|")
for name in programs:
    seconds, quality = (statistics.median(run[name][i] for run in results) for i in range(2))
    ratio = statistics.median(run[name][0] / run["semcov"][0] for run in results)
    print(f"| {name} | {seconds:.1f} | {ratio:.1f} | {quality:.4f} |")
print(f"\nTwo runs of semcov with one seed give {'the same' if (first == second).all() else 'DIFFERENT'} places. With "
      f"neighbours searched in the nearest leaves only, trustworthiness is {leaves:.4f} instead of {exact:.4f}.")
random = np.random.RandomState(0)
for size in sizes:
    rows = vectors[random.randint(0, len(vectors), size)]
    step = random.normal(size=rows.shape).astype(np.float32)
    step *= random.uniform(0.1, 0.5, (size, 1)).astype(np.float32) / np.linalg.norm(step, axis=1, keepdims=True)
    print(f"\n{size:,} points: {semcov(rows + step)[0]:.0f} s.")
