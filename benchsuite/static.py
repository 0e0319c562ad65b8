"""The static encoder beside model2vec-rs and the transformer; see static.sh.

All of it with two threads, in turn. Encoding alone is texts in memory to vectors in memory, the median of five rounds of
each process; the whole command reads a file of texts and writes a file of vectors. Prints Markdown: medians, and the
medians of the paired ratios.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import measure

parser = argparse.ArgumentParser()
for name in ["data", "work", "semcov", "bench", "peer"]:
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--transformer", type=int, default=1, help="runs of the transformer; it takes a while")
args = parser.parse_args()
os.environ.update(RAYON_NUM_THREADS="2", SEMCOV_THREADS="2", SEMCOV_CACHE="none")
args.work.mkdir(parents=True, exist_ok=True)
model = args.work / "model"


def texts():
    """Name and file of each corpus, a text a line."""
    splits = json.loads((args.data / "clinc150/data_full.json").read_text())
    clinc = list(dict.fromkeys(text for split in splits.values() for text, _ in split))
    rows = [json.loads(line) for split in ["train", "test"] for line in open(args.data / f"gsm8k/{split}.jsonl")]
    many = [f"{text} {copy}" for copy in range(9) for text in clinc][:200_000]
    for name, lines in [("CLINC150", clinc), ("GSM8K questions", [row["question"] for row in rows]), ("CLINC150, 200,000 rows", many)]:
        path = args.work / f"{name.split(',')[0].split()[0].lower()}-{len(lines)}.txt"
        path.write_text("\n".join(" ".join(line.split()) for line in lines) + "\n")
        yield name, path


def line(*command):
    return json.loads(subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout)


def embed(path, encoder):
    return measure.run([args.semcov, "embed", path, "--encoder", encoder, "--precision", "f32", "--input-format", "text", "-q",
                        "-o", args.work / "out.npy"])[0]


distilled = measure.run([args.semcov, "model", "distill", "-q", "-o", model])[0]
print(f"{distilled:.1f} s for `semcov model distill`.\n")
print("| texts | tokens | encoding alone: semcov, texts/s | of it tokenizing | model2vec-rs 0.2.0 | ratio | whole command: semcov, texts/s "
      "| model2vec-rs | ratio |\n|---|---|---|---|---|---|---|---|---|")
rates = {}
for name, path in texts():
    runs = []
    for _ in range(args.runs):
        ours, theirs = line(args.bench, model, path), line(args.peer, model, path, "none")
        whole = embed(path, model), measure.run([args.peer, model, path, args.work / "out.f32"])[0]
        n = ours["texts"]
        both = ours["tokenize"] + ours["encode"]
        runs.append((n / both, ours["tokenize"] / both, n / theirs["seconds"], n / whole[0], n / whole[1]))
        print(name, ours, theirs, whole, file=sys.stderr)
    median = [statistics.median(column) for column in zip(*runs)]
    alone = statistics.median(run[0] / run[2] for run in runs)
    whole = statistics.median(run[3] / run[4] for run in runs)
    rates[name] = median[3]
    print(f"| {name} | {ours['tokens']:,} | {median[0]:,.0f} | {100 * median[1]:.0f} % | {median[2]:,.0f} | {alone:.2f} "
          f"| {median[3]:,.0f} | {median[4]:,.0f} | {whole:.2f} |", flush=True)

name, path = next(texts())
if args.transformer:
    seconds = statistics.median(embed(path, "all-MiniLM-L6-v2") for _ in range(args.transformer))
    n = sum(1 for _ in open(path))
    print(f"\n`semcov embed` of {name} by the transformer in f32: {n / seconds:,.0f} texts/s. The static encoder is "
          f"{rates[name] * seconds / n:.0f} times as fast there, and {rates['CLINC150, 200,000 rows'] * seconds / n:.0f} times at 200,000 rows.")
