"""Measures how well peers tell rows that belong to a reference from rows that do not.

usage: peer_screening.py --reference REF.npy --good GOOD.npy --bad BAD.npy [--vectors ALL.npy] [--json OUT.json]

A file holds vectors, one per row, or with --vectors the numbers of rows of ALL.npy. No method sees a label: each is
fitted to the reference and scores good and bad rows; higher is further from the reference. Every method runs alone in
a process of its own. Seconds are those of fit and scores; peak memory is that of the whole process, and the row
"reading alone" says what reading the vectors takes of it. Scores made elsewhere, such as semcov's, join the table with
--scores NAME=FILE.npy: those of the good rows, then those of the bad rows.

MMD judges whole batches, not rows: its figures are p-values of a permutation test against the reference.
"""
import argparse
import importlib.metadata as metadata
import json
import os
import sys
import tempfile
import time

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SAMPLE = 10_000  # reference rows at most, the first ones: as many as semcov compares with
BATCH = 1_000  # rows at most on either side of MMD's test
PERMUTATIONS = 500
# Libraries are imported where they are used: a process then holds one method's alone.


def cleanlab_knn(reference, rows, _):
    from cleanlab.outlier import OutOfDistribution
    knn = OutOfDistribution()
    knn.fit(features=reference, verbose=False)
    return -knn.score(features=rows)


def lof(reference, rows, _):
    from sklearn.neighbors import LocalOutlierFactor
    return -LocalOutlierFactor(novelty=True).fit(reference).score_samples(rows)


def isolation_forest(reference, rows, seed):
    from sklearn.ensemble import IsolationForest
    return -IsolationForest(random_state=seed).fit(reference).score_samples(rows)


def one_class_svm(reference, rows, _):
    from sklearn.svm import OneClassSVM
    return -OneClassSVM().fit(reference).score_samples(rows)


def k_means_cosine(reference, rows, seed):
    """Distance to the nearest of n/100 centroids."""
    import numpy as np
    from sklearn.cluster import KMeans
    centres = KMeans(max(2, len(reference) // 100), n_init=1, random_state=seed).fit(reference).cluster_centers_
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return 1 - (rows @ centres.T).max(axis=1)


SCORES = {
    "cleanlab OutOfDistribution, kNN": cleanlab_knn,
    "scikit-learn LocalOutlierFactor": lof,
    "scikit-learn IsolationForest": isolation_forest,
    "scikit-learn OneClassSVM": one_class_svm,
    "k-means cosine, n/100": k_means_cosine,
}
MMD, READING = "MMD", "reading alone"


def mmd_p(reference, rows, seed):
    """Permutation p-value of the squared maximum mean discrepancy; RBF kernel, median heuristic."""
    import numpy as np
    rng = np.random.default_rng(seed)
    x, y = (part[rng.permutation(len(part))[:BATCH]] for part in (reference, rows))
    both = np.concatenate([x, y])
    squares = (both * both).sum(axis=1)
    kernel = squares[:, None] + squares[None, :] - 2 * both @ both.T
    np.maximum(kernel, 0, out=kernel)
    kernel = np.exp(-kernel / np.median(kernel[np.triu_indices(len(both), 1)]))
    np.fill_diagonal(kernel, 0)
    side = np.zeros((len(both), PERMUTATIONS + 1), np.float32)
    side[:len(x), 0] = 1
    for permutation in range(1, PERMUTATIONS + 1):
        side[rng.permutation(len(both))[:len(x)], permutation] = 1
    sums = kernel @ side
    within_x, between = (side * sums).sum(axis=0), ((1 - side) * sums).sum(axis=0)
    within_y = kernel.sum() - within_x - 2 * between
    statistic = (within_x / (len(x) * (len(x) - 1)) + within_y / (len(y) * (len(y) - 1))
                 - 2 * between / (len(x) * len(y)))
    return float((1 + (statistic[1:] >= statistic[0] - 1e-9).sum()) / (PERMUTATIONS + 1))


def judge(good, bad):
    """AUROC; share of good rows at or above the score that 95 % of the bad rows reach; AUPR of the bad rows. In %."""
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score
    truth, scores = np.repeat([0, 1], [len(good), len(bad)]), np.concatenate([good, bad])
    threshold = np.sort(bad)[int(0.05 * len(bad))]
    figures = roc_auc_score(truth, scores), (good >= threshold).mean(), average_precision_score(truth, scores)
    return dict(zip(("auroc", "fpr_at_95", "aupr"), (100 * float(figure) for figure in figures)))


def read(args, path):
    """Unit vectors of a file."""
    import numpy as np
    rows = np.load(path)
    if rows.ndim == 1:
        if args.vectors is None or not np.issubdtype(rows.dtype, np.integer):
            sys.exit(f"{path}: one number per row; row numbers need --vectors")
        rows = np.load(args.vectors, mmap_mode="r")[rows]
    rows = np.asarray(rows, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def run_method(args):
    """One method in this process: prints JSON, and writes the scores of the rows where it has any."""
    import numpy as np
    reference, good, bad = (read(args, path) for path in (args.reference, args.good, args.bad))
    reference = reference[:SAMPLE]
    result = {"rows": [len(reference), len(good), len(bad)]}
    start = time.perf_counter()
    if args.method == MMD:
        rng = np.random.default_rng(args.seed)
        batch = min(BATCH, len(good))
        result["p"] = {}
        for share in (0, 0.02, 0.05):
            k = min(round(share * batch), len(bad))
            rows = [good[rng.permutation(len(good))[:batch - k]], bad[rng.permutation(len(bad))[:k]]]
            result["p"][f"{share:.0%} bad"] = mmd_p(reference, np.concatenate(rows), args.seed)
        result["p"]["all bad"] = mmd_p(reference, bad, args.seed)
    elif args.method != READING:
        # Import time is no time of the method: a first call on a few rows pays for it.
        SCORES[args.method](reference[:200], good[:2], args.seed)
        start = time.perf_counter()
        scores = np.asarray(SCORES[args.method](reference, np.concatenate([good, bad]), args.seed))
        result["seconds"] = time.perf_counter() - start
        np.save(args.output, scores)
    result.setdefault("seconds", time.perf_counter() - start)
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser()
    for role in ("reference", "good", "bad"):
        parser.add_argument(f"--{role}", required=True)
    parser.add_argument("--vectors", help="vectors that the other files number the rows of")
    parser.add_argument("--json", help="where the figures go")
    parser.add_argument("--scores", action="append", default=[], metavar="NAME=FILE.npy", help="a method run elsewhere")
    parser.add_argument("--only", action="append", choices=[*SCORES, MMD], help="this method; again for more")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--method", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.method:
        return run_method(args)

    import numpy as np
    from measure import run
    os.environ.update(dict.fromkeys(THREADS, str(args.threads)))
    given = ["--reference", args.reference, "--good", args.good, "--bad", args.bad, "--seed", args.seed]
    if args.vectors:
        given += ["--vectors", args.vectors]
    methods, mmd = {}, None
    with tempfile.NamedTemporaryFile(suffix=".npy") as scores:
        for method in [READING, *(args.only or [*SCORES, MMD])]:
            *_, peak, output, _ = run([sys.executable, __file__, *given, "--method", method, "--output", scores.name])
            result = json.loads(output.splitlines()[-1])
            rows = result.pop("rows")
            result["peak_mib"] = peak
            if method in SCORES:
                result.update(judge(*np.split(np.load(scores.name), [rows[1]])))
            if method == MMD:
                mmd = result
            else:
                methods[method] = result
    for name, path in (scores.split("=", 1) for scores in args.scores):
        values = np.load(path)
        if len(values) != rows[1] + rows[2]:
            sys.exit(f"{path}: {len(values)} scores for {rows[1]} good and {rows[2]} bad rows")
        methods[name] = judge(*np.split(values, [rows[1]]))

    versions = {name: metadata.version(name) for name in ("cleanlab", "scikit-learn", "scipy", "numpy")}
    print("{:,} reference rows, {:,} good, {:,} bad; ".format(*rows)
          + ", ".join(f"{name} {version}" for name, version in versions.items()) + f"; {args.threads} threads.\n")
    print("| | AUROC | FPR@95 | AUPR | s | peak MiB |\n|---|---|---|---|---|---|")
    columns = [("auroc", ".1f"), ("fpr_at_95", ".1f"), ("aupr", ".1f"), ("seconds", ".2f"), ("peak_mib", ",.0f")]
    for method, result in methods.items():
        print(f"| {method} | " + " | ".join(format(result[key], spec) if key in result else ""
                                            for key, spec in columns) + " |")
    if mmd:
        print(f"\nMMD, batches of {BATCH:,}, {PERMUTATIONS} permutations, {mmd['seconds']:.1f} s, "
              f"{mmd['peak_mib']:,.0f} MiB; p-values: "
              + ", ".join(f"{batch} {p:.3f}" for batch, p in mmd["p"].items()) + ".")
    if args.json:
        with open(args.json, "w") as out:
            json.dump({"rows": dict(zip(("reference", "good", "bad"), rows)), "seed": args.seed,
                       "threads": args.threads, "versions": versions, "methods": methods, "mmd": mmd}, out, indent=1)
            out.write("\n")


if __name__ == "__main__":
    main()
