"""Measures how well planted coverage gaps are found; see gaps.sh.

A corpus is compared with its reference after some of its topics were thinned out. All methods get the same rows and the
same vectors. semcov's settings were chosen on other plantings of the same corpora. A leaf is truly a gap if the topic
that most of its reference rows have was thinned.
"""
import argparse
import collections
import concurrent.futures
import datetime
import importlib.metadata as metadata
import json
import multiprocessing
import os
import pathlib
import random
import re
import sys
import tempfile
import time

# Quality is measured with one thread for each run: CPU seconds then do not count threads that wait for each other.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
os.environ.update(THREADS)
import numpy as np

from measure import run

parser = argparse.ArgumentParser()
parser.add_argument("--semcov", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--cache", default="target/benchsuite/cache")
parser.add_argument("--seeds", type=int, default=5, help="plantings for each set-up")
parser.add_argument("--splits", type=int, default=5, help="splits with nothing planted, for each corpus")
parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="comparisons at a time")
parser.add_argument("--no-quality", action="store_true")
parser.add_argument("--speed", type=int, metavar="ROWS", help="also time this many rows beside as many of a reference")
parser.add_argument("--note", default="", help="what to say of this run")
args = parser.parse_args()
here = pathlib.Path(__file__).parent
LEAVES, ALPHA = 150, 0.05
# By name: each corpus with its split and its number of thinned topics; sizes of reference and corpus without any.
CORPORA, SPLITS = {}, {}

Corpus = collections.namedtuple("Corpus", "ids texts topics vectors")
# What a method found: the counted reference rows with their leaves; p-values and flags of the leaves; its CPU seconds.
Found = collections.namedtuple("Found", "rows leaf p_value flagged seconds")


def write(path, corpus, rows):
    """Writes rows of a corpus as JSONL, and their vectors beside it."""
    with open(path, "w") as out:
        for row in rows:
            out.write(json.dumps({"id": corpus.ids[row], "text": corpus.texts[row]}) + "\n")
    if corpus.vectors is not None:
        np.save(path.with_suffix(".npy"), corpus.vectors[rows])


def embedded(name, pairs, folder):
    """A corpus of texts and topics, embedded by semcov."""
    texts, topics = zip(*pairs)
    corpus = Corpus([f"{name}-{i:05}" for i in range(len(texts))], texts, np.array(topics), None)
    write(folder / f"{name}.jsonl", corpus, range(len(texts)))
    vectors = folder / f"{name}-embedded.npy"
    run([args.semcov, "embed", folder / f"{name}.jsonl", "-q", "--device", "cpu", "--cache", args.cache, "-o", vectors])
    vectors = np.load(vectors).astype(np.float32)
    return corpus._replace(vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def clinc(folder):
    """CLINC150: train is the reference, validation and test the corpus; 15 of the 150 intents are thinned."""
    splits = json.load(open(f"{args.data}/clinc150/data_full.json"))
    corpus = embedded("clinc", splits["train"] + splits["val"] + splits["test"], folder)
    train = len(splits["train"])
    return corpus, lambda _: (np.arange(train), np.arange(train, len(corpus.texts))), 15


def snips(folder):
    """SNIPS train in two random halves; its 7 intents are parted in 15 subtopics each, of which 10 are thinned."""
    from sklearn.cluster import KMeans
    rows = [json.loads(line) for line in open(f"{args.data}/snips/snips.jsonl")]
    corpus = embedded("snips", [(row["text"], row["label"]) for row in rows if row["split"] == "train"], folder)
    topics = corpus.topics.astype(object)
    rng = np.random.default_rng(77)
    for intent in np.unique(corpus.topics):
        rows = np.where(corpus.topics == intent)[0]
        half = rng.choice(rows, len(rows) // 2, replace=False)
        subtopics = KMeans(15, n_init=3, random_state=99).fit(corpus.vectors[half]).predict(corpus.vectors[rows])
        topics[rows] = [f"{intent} {subtopic}" for subtopic in subtopics]
    corpus = corpus._replace(topics=topics.astype(str))
    return corpus, lambda rng: np.array_split(rng.permutation(len(corpus.texts)), 2), 10


def plant(corpus, split, thinned, kept, seed):
    """Reference rows, corpus rows, and the topics of which only the share `kept` of the corpus rows was left."""
    rng = np.random.default_rng(seed)
    reference, rows = split(rng)
    planted = set(rng.choice(np.unique(corpus.topics), thinned, replace=False))
    dropped = []
    for topic in sorted(planted):
        of_topic = rng.permutation(rows[corpus.topics[rows] == topic])
        dropped.extend(of_topic[round(kept * len(of_topic)):])
    return reference, np.setdiff1d(rows, dropped), planted


def semcov(corpus, reference, rows, seed, folder, leaves):
    write(folder / "reference.jsonl", corpus, reference)
    write(folder / "corpus.jsonl", corpus, rows)
    _, seconds, *_ = run([args.semcov, "report", folder / "corpus.jsonl", "-q",
                          "--reference", folder / "reference.jsonl",
                          "--vectors", folder / "corpus.npy", "--reference-vectors", folder / "reference.npy",
                          *([] if leaves is None else ["--leaves", leaves]), "--seed", seed, "--cache", "none",
                          "--threads", 1, "--json", folder / "report.json", "--rows", folder / "rows.jsonl"])
    report = json.load(open(folder / "report.json"))
    row_of = dict(zip(corpus.ids, range(len(corpus.ids))))
    placed = [row for row in map(json.loads, open(folder / "rows.jsonl"))
              if row["corpus"] == "reference" and row["leaf"] is not None]
    found = Found(np.array([row_of[row["id"]] for row in placed]), np.array([row["leaf"] for row in placed]),
                  {gap["leaf"]: gap["p_value"] for gap in report["gaps"]},
                  {gap["leaf"] for gap in report["gaps"] if gap["significant"]}, seconds)
    return found, report


def chi_square(corpus, reference, rows, seed, halved):
    """K-means on the reference, a 2 x 2 chi-square test for each cluster; Bonferroni, and Benjamini-Hochberg.

    The test has two sides, but a gap is less: clusters of which the corpus has more are never flagged and rank last.
    """
    from scipy.stats import chi2_contingency, false_discovery_control
    from sklearn.cluster import KMeans
    start = time.process_time()
    fitted = counted = reference
    if halved:
        fitted, counted = np.array_split(np.random.default_rng(seed).permutation(reference), 2)
    k_means = KMeans(LEAVES, n_init=1, random_state=seed).fit(corpus.vectors[fitted])
    leaf = k_means.predict(corpus.vectors[counted])
    a = np.bincount(leaf, minlength=LEAVES)
    b = np.bincount(k_means.predict(corpus.vectors[rows]), minlength=LEAVES)
    tested = np.where(a + b > 0)[0]
    tables = [[[a[i], len(counted) - a[i]], [b[i], len(rows) - b[i]]] for i in tested]
    p = np.array([chi2_contingency(table).pvalue for table in tables])
    less = b[tested] / len(rows) < a[tested] / len(counted)
    rank = {i: value for i, value in zip(tested, np.where(less, p, 2 - p)) if a[i] > 0}
    bonferroni = set(tested[less & (p * len(p) <= ALPHA)])
    discovered = set(tested[less & (false_discovery_control(p) <= ALPHA)])
    seconds = time.process_time() - start
    return [Found(counted, leaf, rank, flagged, seconds) for flagged in (bonferroni, discovered)]


def evidently(corpus, reference, rows):
    """Evidently's domain classifier on embeddings: AUC, drift by its bootstrap, drift by its default threshold."""
    import pandas
    from evidently.metrics.embeddings import ModelDriftMethod
    frames = [pandas.DataFrame(corpus.vectors[part]).rename(columns=str) for part in (rows, reference)]
    start = time.process_time()
    auc, drift, _ = ModelDriftMethod(bootstrap=True)(*frames)
    return auc, bool(drift), auc > ModelDriftMethod().threshold, time.process_time() - start


def judge(corpus, planted, found):
    """Average precision of the ranking; recall and precision of the flagged leaves; share of planted topics found."""
    from sklearn.metrics import average_precision_score
    topics = collections.defaultdict(collections.Counter)
    for row, leaf in zip(found.rows, found.leaf):
        topics[leaf][corpus.topics[row]] += 1
    truth = {leaf: topics[leaf].most_common(1)[0][0] in planted for leaf in found.p_value}
    flagged = found.flagged & truth.keys()
    true = sum(truth[leaf] for leaf in flagged)
    in_flagged = np.isin(found.leaf, list(flagged))
    of_topic = [in_flagged[corpus.topics[found.rows] == topic] for topic in sorted(planted)]
    return (average_precision_score(list(truth.values()), [-found.p_value[leaf] for leaf in truth]),
            true / sum(truth.values()), true / len(flagged) if flagged else np.nan,
            np.mean([len(rows) > 0 and rows.mean() >= 0.5 for rows in of_topic]), found.seconds)


def compare(name, kept, seed):
    """One comparison by every method: figures and false gaps of each, Evidently's answer, semcov's coverage."""
    corpus, split, thinned = CORPORA[name]
    if kept is None:
        sizes = SPLITS[name]
        order = np.random.default_rng(1000 + seed).permutation(len(corpus.texts))
        reference, rows, planted = order[:sizes[0]], order[sizes[0]:sum(sizes)], set()
    else:
        reference, rows, planted = plant(corpus, split, thinned, kept, seed)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        folder = pathlib.Path(folder)
        ours, _ = semcov(corpus, reference, rows, seed, folder, LEAVES)
        default, report = semcov(corpus, reference, rows, seed, folder, None)
    found = {f"semcov, {LEAVES} leaves": ours, "semcov, its own number of leaves": default}
    for method, halved in [("k-means, chi-square", False), ("k-means on half, chi-square on the rest", True)]:
        for correction, result in zip(("Bonferroni", "BH"), chi_square(corpus, reference, rows, seed, halved)):
            found[f"{method}, {correction}"] = result
    judged = {method: judge(corpus, planted, result) if planted else None for method, result in found.items()}
    flagged = {method: len(result.flagged) for method, result in found.items()}
    print(f"{name} {kept} {seed}", file=sys.stderr)
    return judged, flagged, evidently(corpus, reference, rows), (report["coverage"]["score"],
                                                                 report["coverage"]["gap_mass"])


def number(value):
    return "-" if np.isnan(value) else f"{value:.2f}"


def mean(values):
    """The mean over the runs that have the figure."""
    values = [value for value in values if not np.isnan(value)]
    return np.mean(values) if values else np.nan


def quality(folder):
    CORPORA.update({"CLINC150": clinc(folder), "SNIPS": snips(folder)})
    CORPORA["CLINC150, small reference"] = CORPORA["CLINC150"]
    planted = [(name, kept) for name, shares in (("CLINC150", (0, 0.25, 0.5)), ("SNIPS", (0, 0.25))) for kept in shares]
    half = len(CORPORA["SNIPS"][0].texts) // 2
    SPLITS.update({"CLINC150": (15_000, 7_500), "SNIPS": (half, half), "CLINC150, small reference": (3_000, 12_000)})
    # Train and test of CLINC150 differ a little as they are: everything kept is the measure for the thinned.
    published = ("CLINC150", 1)
    jobs = [(*set_up, seed) for set_up in [*planted, published] for seed in range(args.seeds)]
    jobs += [(name, None, seed) for name in SPLITS for seed in range(args.splits)]
    results = collections.defaultdict(list)
    with concurrent.futures.ProcessPoolExecutor(args.jobs, multiprocessing.get_context("fork")) as pool:
        for (name, kept, _), result in zip(jobs, pool.map(compare, *zip(*jobs))):
            results[name, kept].append(result)
    methods = list(results["CLINC150", 0][0][0])
    print(f"## Planted gaps\n\nMeans of {args.seeds} plantings; AP = average precision of the leaves ranked by p; "
          "recall, precision = of the leaves flagged; topics = share of the thinned topics with at least half of their "
          "reference rows in flagged leaves; CPU s = of semcov the whole command, from reading files to writing report "
          "and rows; of the others k-means and tests alone. One thread each.\n")
    print("| corpus, share of the thinned topics kept | method | AP | recall | precision | topics | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for name, kept in planted:
        for method in methods:
            figures = [mean(column) for column in zip(*(judged[method] for judged, *_ in results[name, kept]))]
            print(f"| {name}, {kept:.0%} | {method} | {' | '.join(map(number, figures[:4]))} | {figures[4]:.1f} |")
    print(f"\n## Nothing planted\n\nRandom splits of the same rows, {args.splits} of each kind (reference beside "
          f"corpus), and the published split with {args.seeds} seeds: runs with a gap (gaps in all).\n")
    heads = [f"{name.split(',')[0]}, {reference:,} beside {rows:,}" for name, (reference, rows) in SPLITS.items()]
    print(f"| method | {' | '.join(heads)} | CLINC150 as published |\n|---|{'---|' * (len(heads) + 1)}")
    columns = [results[name, None] for name in SPLITS] + [results[published]]
    for method in methods:
        gaps = [[flagged[method] for _, flagged, *_ in runs] for runs in columns]
        print(f"| {method} | {' | '.join(f'{sum(map(bool, flagged))} ({sum(flagged)})' for flagged in gaps)} |")
    drift = [sum(detected for _, _, (_, detected, *_), _ in runs) for runs in columns]
    print(f"| Evidently, bootstrap: runs with drift | {' | '.join(map(str, drift))} |")
    print("\n## The whole corpus\n\nEvidently's domain classifier on embeddings says whether there is drift, not "
          "where: runs with drift, by its bootstrap and by its default threshold (AUC above .55). Beside it semcov's "
          "coverage and the share of the reference in significant gaps, with its own number of leaves.\n")
    print("| corpus | runs | drift, bootstrap | drift, default | AUC, mean | AUC, range | CPU s | coverage | in gaps |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, kept), runs in results.items():
        auc, bootstrap, default, seconds = zip(*(drift for *_, drift, _ in runs))
        score, gap_mass = np.mean([coverage for *_, coverage in runs], axis=0)
        set_up = f"{name}, {kept:.0%} kept" if kept is not None else f"{name}, random split"
        print(f"| {set_up} | {len(runs)} | {sum(bootstrap)} | {sum(default)} | {np.mean(auc):.3f} | {min(auc):.3f}-"
              f"{max(auc):.3f} | {np.mean(seconds):.1f} | {score:.1%} | {gap_mass:.1%} |")
    print(flush=True)


def speed(folder):
    """Rows whose words are recombined from CLINC150's, with vectors jittered around CLINC150's."""
    clinc150, *_ = clinc(folder)
    n, rng, words = args.speed, np.random.default_rng(1), random.Random(1)
    texts = [text.split() for text in clinc150.texts]
    vectors = np.empty((2 * n, clinc150.vectors.shape[1]), np.float16)
    for start in range(0, 2 * n, 10_000):
        near = clinc150.vectors[rng.integers(0, len(texts), min(10_000, 2 * n - start))]
        near = near + rng.standard_normal(near.shape, np.float32) * (0.5 / near.shape[1] ** 0.5)
        vectors[start:start + len(near)] = near / np.linalg.norm(near, axis=1, keepdims=True)
    pairs = [(words.choice(texts), words.choice(texts)) for _ in range(2 * n)]
    recombined = [" ".join(one[:len(one) // 2 + 1] + two[len(two) // 2:]) for one, two in pairs]
    rows = Corpus([f"row-{i:07}" for i in range(2 * n)], recombined, None, vectors)
    write(folder / "corpus.jsonl", rows, range(n))
    write(folder / "reference.jsonl", rows, range(n, 2 * n))
    np.save(folder / "both.npy", vectors)
    for name in THREADS:
        del os.environ[name]
    seconds, _, memory, _, log = run([
        args.semcov, "report", folder / "corpus.jsonl", "-v", "--reference", folder / "reference.jsonl", "--vectors",
        folder / "corpus.npy", "--reference-vectors", folder / "reference.npy", "--cache", "none", "-o",
        folder / "report.html", "--json", folder / "report.json", "--rows", folder / "rows.jsonl"])
    report = json.load(open(folder / "report.json"))
    leaves = report["settings"]["leaves"]
    similarity = np.mean([json.loads(line)["similarity"] for line in open(folder / "rows.jsonl")])
    stages, before = collections.Counter(), 0.0
    for line, at in [*log, ("finished", seconds)]:
        stages["reading" if line.startswith(str(folder)) else re.split("[: ]", line)[0]] += at - before
        before = at
    print(f"## Time and memory\n\n{n:,} rows beside a reference of {n:,}, vectors given; {leaves:,} leaves. K-means: "
          "every row, one start, 25 iterations at most, the fit alone.\n\n"
          "| | s | peak MiB | mean similarity to the centroid |")
    print(f"|---|---|---|---|\n| semcov report --reference, whole command | {seconds:.0f} | {memory:,.0f} | |")
    print(f"| of it k-means on both | {stages['clustering']:.0f} | | {similarity:.3f} |", flush=True)
    for name, library in [("faiss Kmeans", "faiss"), ("scikit-learn MiniBatchKMeans", "MiniBatchKMeans")]:
        _, _, memory, output, _ = run([sys.executable, here / "peer_kmeans.py", library, folder / "both.npy", leaves])
        fit = json.loads(output.splitlines()[-1])
        print(f"| {name} | {fit['seconds']:.0f} | {memory:,.0f} | {fit['similarity']:.3f} |", flush=True)
        if library == "faiss":
            beside = fit["seconds"]
    print(f"\nThe whole command takes {seconds / stages['clustering']:.1f} x its own k-means fit, "
          f"{seconds / beside:.1f} x that of faiss. Seconds up to each line that `-v` prints: "
          + ", ".join(f"{stage} {spent:.1f}" for stage, spent in stages.items() if spent >= 0.05) + ".\n")


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    versions = [f"{name} {metadata.version(name)}" for name in ("scikit-learn", "scipy", "evidently", "faiss-cpu")]
    semcov_version = run([args.semcov, "--version"])[3].decode().split()[-1]
    return f"{os.cpu_count()} cores of {cpu}; semcov {semcov_version}, {', '.join(versions)}"


with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
    folder = pathlib.Path(folder)
    print(f"# Coverage gaps, {datetime.date.today()}\n\n{machine()}. {args.note}\n", flush=True)
    if not args.no_quality:
        quality(folder)
    if args.speed:
        speed(folder)
