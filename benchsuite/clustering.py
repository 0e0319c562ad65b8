"""Spherical k-means, exact nearest neighbours, and the assignment of a million rows: semcov and faiss; see clustering.sh.

usage: clustering.py BENCH RUNS VECTORS.npy...

Puts the rows of the files together, searches the 5 nearest of 20,000 of them for all others, and enlarges them to 200,000 with
seeded noise for the rest. Runs both programs in turn, each in a process
of its own, with two threads, on the same vectors, from the same initial centroids and with the same iterations; reading is
not timed. Prints Markdown: medians, and the medians of the ratios of the runs in pairs. Inertia is computed here, of both.
SEMCOV_BENCH_WITH: a command that every measurement is run with.
"""
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import faiss
import numpy as np

ROWS, SEARCHED, QUERIES, NEIGHBOURS, ITERATIONS = 200_000, 100_000, 20_000, 10, 10
AS_THEY_ARE, FEW_NEIGHBOURS = 20_000, 5  # as outlier scores search
MANY, LEAVES = 1_000_000, 4096


def peer(what, *arguments):
    """What the bench does, with faiss."""
    faiss.omp_set_num_threads(2)
    if what == "kmeans":
        vectors, seeds = np.load(arguments[0]), np.load(arguments[1])
        fit = faiss.Kmeans(vectors.shape[1], len(seeds), niter=int(arguments[2]), spherical=True,
                           max_points_per_centroid=len(vectors))
        start = time.perf_counter()
        fit.train(vectors, init_centroids=seeds)
        trained = time.perf_counter() - start
        fit.index.search(vectors, 1)  # the assignment to what came out
        seconds = time.perf_counter() - start
        np.save(arguments[3], fit.centroids)
        return {"seconds": seconds, "trained": trained}
    if what == "search":
        reference, queries = np.load(arguments[0]), np.load(arguments[1])
        columns, k = reference, int(arguments[2])
    else:
        queries = np.load(arguments[0])
        columns, k = queries[np.arange(int(arguments[1])) * len(queries) // int(arguments[1])], 1
    start = time.perf_counter()
    index = faiss.IndexFlatIP(columns.shape[1])
    index.add(columns)
    similarity, found = index.search(queries, k)
    seconds = time.perf_counter() - start
    if what == "search":
        np.save(arguments[3], found)
    return {"seconds": seconds, "similarity": float(similarity.mean(dtype=np.float64)),
            "own_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


if sys.argv[1] == "faiss":
    print(json.dumps(peer(*sys.argv[2:])))
    sys.exit()

bench, runs, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
programs = {"semcov": [bench], "faiss": [sys.executable, __file__, "faiss"]}
given = np.concatenate([np.load(file).astype(np.float32) for file in files])
given /= np.linalg.norm(given, axis=1, keepdims=True)
random = np.random.default_rng(0)


def enlarged(rows):
    """Given vectors, each moved by .1 to .5 in a random direction."""
    vectors = given[random.integers(0, len(given), rows)]
    step = random.standard_normal(vectors.shape, dtype=np.float32)
    step *= random.uniform(0.1, 0.5, (rows, 1)).astype(np.float32) / np.linalg.norm(step, axis=1, keepdims=True)
    vectors += step
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def run(program, *arguments):
    command = [*shlex.split(os.environ.get("SEMCOV_BENCH_WITH", "")), *programs[program], *map(str, arguments)]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(program, *arguments[:1], result, file=sys.stderr)
    return result


def pairs(*arguments):
    return [{program: run(program, *arguments, f"{folder}/{program}.npy") for program in programs} for _ in range(runs)]


def median(results, program):
    return statistics.median(pair[program]["seconds"] for pair in results)


def ratio(results):
    return statistics.median(pair["faiss"]["seconds"] / pair["semcov"]["seconds"] for pair in results)


def inertia(centroids):
    """Sum of 1 - cos of every row to its nearest centroid."""
    centroids = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    tiles = (vectors[i:i + 10_000] @ centroids.T for i in range(0, len(vectors), 10_000))
    return sum(float((1 - tile.max(1).astype(np.float64)).sum()) for tile in tiles)


with tempfile.TemporaryDirectory() as folder:
    vectors = enlarged(ROWS)
    dim = vectors.shape[1]
    np.save(f"{folder}/vectors.npy", vectors)
    version = re.search(r'^version = "(.*)"', pathlib.Path("Cargo.toml").read_text(), re.M).group(1)
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M).group(1)
    print(f"semcov {version}, faiss-cpu {faiss.__version__}, Python {platform.python_version()}; {cpu}, {os.cpu_count()} cores, "
          f"2 threads; {datetime.date.today()}.\n\n{ROWS:,} x {dim} vectors, {ITERATIONS} iterations and the assignment to the "
          f"last centroids, medians of {runs} runs in pairs:\n")
    print("| k | semcov s | GFLOP/s | faiss s | GFLOP/s | faiss to semcov | inertia semcov | faiss |\n|---|---|---|---|---|---|---|---|")
    for k in (256, 1024):
        np.save(f"{folder}/seeds.npy", vectors[random.choice(ROWS, k, replace=False)])
        results = pairs("kmeans", f"{folder}/vectors.npy", f"{folder}/seeds.npy", ITERATIONS)
        fitted = [inertia(np.load(f"{folder}/{program}.npy")) for program in programs]
        work = 2e-9 * ROWS * k * dim * (ITERATIONS + 1)
        times = " | ".join(f"{s:.2f} | {work / s:.0f}" for s in (median(results, program) for program in programs))
        print(f"| {k} | {times} | {ratio(results):.2f} | {fitted[0]:,.1f} | {fitted[1]:,.1f} |", flush=True)

    mixed = given[random.permutation(len(given))]
    searches = [("of the vectors given", mixed[:AS_THEY_ARE], mixed[AS_THEY_ARE:], FEW_NEIGHBOURS),
                ("of those enlarged", vectors[:SEARCHED], vectors[SEARCHED:SEARCHED + QUERIES], NEIGHBOURS)]
    for which, reference, queries, neighbours in searches:
        np.save(f"{folder}/reference.npy", reference)
        np.save(f"{folder}/queries.npy", queries)
        results = pairs("search", f"{folder}/reference.npy", f"{folder}/queries.npy", neighbours)
        found = [np.sort(np.load(f"{folder}/{program}.npy").astype(int), 1) for program in programs]
        same = (found[0] == found[1]).all(1).mean()
        print(f"\nThe {neighbours} nearest of {len(reference):,} rows for {len(queries):,} queries, {which}: semcov "
              f"{median(results, 'semcov'):.2f} s, faiss IndexFlatIP {median(results, 'faiss'):.2f} s, {ratio(results):.2f} times as "
              f"long. The same neighbours for {100 * same:.2f} % of queries (semcov's vectors are in half precision).", flush=True)

    del vectors
    many = np.lib.format.open_memmap(f"{folder}/many.npy", "w+", np.float32, (MANY, dim))
    for first in range(0, MANY, ROWS):
        many[first:first + ROWS] = enlarged(ROWS)
    many.flush()
    results = {program: run(program, "assign", f"{folder}/many.npy", LEAVES) for program in programs}
    own = results["semcov"]
    print(f"\n{MANY:,} rows to {LEAVES:,} of them, one run: semcov {own['seconds']:.1f} s, {own['own_mib']} MiB of its own "
          f"({own['own_mib_before']} before the assignment), beside {own['mapped_mib']} MiB of pages of the store's files that the "
          f"system may take back; faiss {results['faiss']['seconds']:.1f} s, {results['faiss']['own_mib']} MiB. Mean similarity "
          f"{own['similarity']:.5f} and {results['faiss']['similarity']:.5f}.")
