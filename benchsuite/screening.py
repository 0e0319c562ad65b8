"""Measures how well rows that do not belong to a reference are told from those that do; see screening.sh.

Every method gets the same vectors, without labels: it is fitted to the reference and scores good and bad rows. The
settings of semcov's score were chosen on other intents of CLINC150, its validation split, and other intents of SNIPS than
those that are held out here (seeds 10 to 12 and the first six pairs of a permutation; here 13 to 15 and the next three).
"""
import argparse
import datetime
import importlib.metadata as metadata
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from measure import run

parser = argparse.ArgumentParser()
parser.add_argument("--semcov", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--cache", default="target/benchsuite/cache")
parser.add_argument("--only", help="splits whose name begins so")
parser.add_argument("--speed", action="store_true", help="also time the decisions on 400,000 rows")
parser.add_argument("--note", default="", help="what to say of this run")
args = parser.parse_args()
here, data = pathlib.Path(__file__).parent, pathlib.Path(args.data)
SEMCOV = "semcov"
SCORES = ["ensemble", "local", "knn", "z", "rmd"]


class Corpus:
    """Distinct texts in random order, with their labels, splits and vectors."""

    def __init__(self, name, rows, folder):
        rows = list({(row["text"].strip(), row.get("split")): row for row in rows}.values())
        order = np.random.default_rng(5).permutation(len(rows))
        self.rows = [dict(rows[i], id=f"{name}-{i}") for i in order]
        self.labels = np.array([row.get("label", "") for row in self.rows])
        self.splits = np.array([row.get("split", "") for row in self.rows])
        path = folder / f"{name}.jsonl"
        write(path, self.rows)
        run([args.semcov, "embed", path, "--text", "text", "--cache", args.cache, "-o", path.with_suffix(".npy")])
        self.vectors = np.load(path.with_suffix(".npy")).astype(np.float32)


def write(path, rows):
    path.write_text("".join(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in rows))


def jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def splits(folder):
    """Name to (reference, good, bad), each a corpus with the numbers of its rows."""
    rows = [{"text": text, "label": label, "split": split}
            for split, pairs in json.loads((data / "clinc150/data_full.json").read_text()).items()
            for text, label in pairs]
    clinc = Corpus("clinc", rows, folder)
    of = {name: np.flatnonzero(clinc.splits == name) for name in ("train", "test", "oos_test")}
    yield "CLINC150 out of scope", (clinc, of["train"]), (clinc, of["test"]), (clinc, of["oos_test"])
    intents = np.random.default_rng(1).permutation(np.unique(clinc.labels[of["train"]]))
    for seed in (13, 14, 15):
        held_out = np.isin(clinc.labels, np.random.default_rng(seed).choice(intents[75:], 38, replace=False))
        kept = {name: rows[~held_out[rows]] for name, rows in of.items()}
        bad = of["test"][held_out[of["test"]]]
        yield f"CLINC150 intents held out {seed}", (clinc, kept["train"]), (clinc, kept["test"]), (clinc, bad)
    snips = Corpus("snips", jsonl(next((data / "snips").glob("*.jsonl"))), folder)
    pairs = list(itertools.combinations(np.unique(snips.labels), 2))
    for i in np.random.default_rng(2).permutation(len(pairs))[6:9]:
        held_out = np.isin(snips.labels, pairs[i])
        kept, bad = np.flatnonzero(~held_out), np.flatnonzero(held_out)[:1500]
        reference = int(0.7 * len(kept))
        name = "SNIPS intents held out " + "+".join(pairs[i])
        yield name, (snips, kept[:reference]), (snips, kept[reference:]), (snips, bad)
    read = {name: [{"text": row["question"]} for row in jsonl(next((data / "gsm8k").glob(f"*{name}*.jsonl")))]
            for name in ("train", "test")}
    gsm = Corpus("gsm8k", [dict(row, split=name) for name, rows in read.items() for row in rows], folder)
    prompts = [{"text": row["prompt"]} for row in jsonl(next((data / "humaneval").glob("*.jsonl")))]
    human = Corpus("humaneval", prompts, folder)
    train, test = (np.flatnonzero(gsm.splits == name) for name in ("train", "test"))
    yield "GSM8K against HumanEval", (gsm, train), (gsm, test), (human, np.arange(len(prompts)))


def screened(folder, score):
    """Seconds, peak MiB, and the scores of the drop's rows."""
    scores = folder / "scores.jsonl"
    command = [args.semcov, "screen", folder / "drop.jsonl", "--vectors", folder / "drop.npy", "--against",
               folder / "reference.semcov", "--score", score, "--scores", scores, "-q"]
    seconds, _, peak, *_ = run(command)
    rows = jsonl(scores)
    return seconds, peak, np.array([row["score"] for row in rows]), np.array([row["p_value"] for row in rows])


def compare(name, reference, good, bad, folder):
    """The figures of every method on one split."""
    sides = {"reference": [reference], "drop": [good, bad], "good": [good], "bad": [bad]}
    for side, parts in sides.items():
        write(folder / f"{side}.jsonl", [corpus.rows[i] for corpus, rows in parts for i in rows])
        np.save(folder / f"{side}.npy", np.concatenate([corpus.vectors[rows] for corpus, rows in parts]))
    fit = run([args.semcov, "profile", "fit", folder / "reference.jsonl", "--vectors", folder / "reference.npy",
               "-o", folder / "reference.semcov", "-q"])
    given, own = [], {}
    for score in SCORES:
        seconds, peak, scores, p_values = screened(folder, score)
        np.save(folder / f"{score}.npy", scores)
        given += ["--scores", f"{SEMCOV} {score}={folder / f'{score}.npy'}"]
        of_good = p_values[:len(good[1])]
        own[f"{SEMCOV} {score}"] = {"seconds": seconds, "peak_mib": peak,
                                    "flagged": [float((of_good <= alpha).mean()) for alpha in (0.01, 0.05, 0.1)]}
    output = folder / "figures.json"
    command = [sys.executable, here / "peer_screening.py", "--threads", "2", "--json", output]
    for side in ("reference", "good", "bad"):
        command += [f"--{side}", folder / f"{side}.npy"]
    subprocess.run([*map(str, command), *given], check=True, stdout=subprocess.DEVNULL)
    figures = json.loads(output.read_text())
    for method, more in own.items():
        figures["methods"][method].update(more)
    figures["fit_seconds"] = fit[0]
    print(f"{name}: " + ", ".join(f"{method} {found['auroc']:.2f}" for method, found in figures["methods"].items()
                                  if "auroc" in found), file=sys.stderr)
    return figures


def speed(folder, clinc, n=400_000, reference=30_000):
    """Rows a second, from files to files, of a drop with vectors given; and without what a drop of one row takes."""
    rng = np.random.default_rng(0)
    train = np.flatnonzero(clinc.splits == "train")
    for name, size, noise in (("reference", reference, 0.02), ("drop", n, 0.01), ("one", 1, 0)):
        rows = rng.choice(train, size)
        vectors = clinc.vectors[rows]
        np.save(folder / f"{name}.npy", vectors + rng.normal(0, noise, vectors.shape).astype(np.float32))
        write(folder / f"{name}.jsonl", [dict(clinc.rows[row], id=str(i)) for i, row in enumerate(rows)])
    run([args.semcov, "profile", "fit", folder / "reference.jsonl", "--vectors", folder / "reference.npy", "--sample",
         "20000", "-o", folder / "reference.semcov", "-q"])
    print(f"\n| {n:,} rows, 384 components, from file to files | s | rows/s | of it start | rows/s beyond | peak MiB |")
    print("|---|---|---|---|---|---|")
    for score, what in (("z", f"z, {reference // 30:,} prototypes"), ("ensemble", "ensemble, a sample of 20,000")):
        def screen(drop):
            command = [args.semcov, "screen", folder / f"{drop}.jsonl", "--vectors", folder / f"{drop}.npy", "--against",
                       folder / "reference.semcov", "--score", score, "-o", folder / "kept.jsonl", "--flagged",
                       folder / "flagged.jsonl", "-q"]
            return min((run(command) for _ in range(3)), key=lambda found: found[0])
        (start, *_), (seconds, _, peak, *_) = screen("one"), screen("drop")
        print(f"| {what} | {seconds:.1f} | {n / seconds:,.0f} | {start:.1f} | {n / (seconds - start):,.0f} | {peak:,.0f} |")


def main():
    version = run([args.semcov, "--version"])[3].decode().strip()
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("cleanlab", "scikit-learn", "scipy", "numpy"))
    model = re.search("model name.*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} cores" + (f" of {model[1]}" if model else "")
    print(f"# Screening, {datetime.date.today()}\n\n{version}; {libraries}; {machine}. {args.note}\n")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        figures, clinc = {}, None
        for name, *sides in splits(folder):
            clinc = clinc or sides[0][0]
            if not args.only or name.startswith(args.only):
                figures[name] = compare(name, *sides, folder)
        report(figures)
        if args.speed:
            speed(folder, clinc)


def report(figures):
    """Means over the splits of each kind, then over the kinds."""
    kinds = {}
    for name, found in figures.items():
        kind = next((kind for kind in ("CLINC150 intents held out", "SNIPS intents held out") if name.startswith(kind)), name)
        kinds.setdefault(kind, []).append(found["methods"])
    methods = [method for method in next(iter(figures.values()))["methods"] if method != "reading alone"]
    for key, title in (("auroc", "AUROC"), ("fpr_at_95", "FPR@95"), ("aupr", "AUPR")):
        print(f"| {title} | " + " | ".join(kinds) + " | mean |\n" + "|---" * (len(kinds) + 2) + "|")
        for method in methods:
            means = [float(np.mean([found[method][key] for found in of_kind])) for of_kind in kinds.values()]
            print(f"| {method} | " + " | ".join(f"{mean:.1f}" for mean in means) + f" | {np.mean(means):.2f} |")
        print()
    print("| one split | s | peak MiB |\n|---|---|---|")
    first = next(iter(figures.values()))
    for method in ["reading alone", *methods]:
        found = first["methods"][method]
        print(f"| {method} | {found['seconds']:.2f} | {found['peak_mib']:,.0f} |")
    print("\nsemcov's seconds and memory are those of the whole command, files included, against a profile; peers' seconds "
          f"those of fit and scores. Fitting the profile took {first['fit_seconds']:.1f} s.")
    print("\n| good rows flagged at .01, .05, .10 | " + " | ".join(kinds) + " |\n" + "|---" * (len(kinds) + 1) + "|")
    for method in methods:
        if method.startswith(SEMCOV):
            cells = [" ".join(f"{x:.3f}" for x in np.mean([found[method]["flagged"] for found in of_kind], axis=0))
                     for of_kind in kinds.values()]
            print(f"| {method} | " + " | ".join(cells) + " |")
    print("\n| MMD's p-value (500 permutations) | " + " | ".join(next(iter(figures.values()))["mmd"]["p"]) + " |")
    print("|---" * (1 + len(first["mmd"]["p"])) + "|")
    for name, found in figures.items():
        print(f"| {name} | " + " | ".join(f"{p:.3f}" for p in found["mmd"]["p"].values()) + " |")


if __name__ == "__main__":
    main()
