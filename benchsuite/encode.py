"""The encoder on a CPU: semcov, ONNX Runtime, PyTorch and sentence-transformers; see encode.sh.

usage: encode.py --data DIR --bench BENCH --semcov BINARY [--rounds N] [--texts N]

All run all-MiniLM-L6-v2 with mean pooling on the same texts, cut at 256 tokens, longest first, with two threads. A round is one
timing of every program, in turn; tables give medians over rounds, and medians of the ratios within a round. Tokens are real
ones, without padding, and peers have theirs before the clock starts, except for sentence-transformers' own loop.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import AutoModel

MODEL = "models/all-MiniLM-L6-v2"
THREADS = 2
BATCHES = (32, 128)
PRECISIONS = ("f32", "bf16", "int8")

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--bench", required=True)
parser.add_argument("--semcov", required=True)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--texts", type=int, default=4000, help="CLINC150 queries; a quarter as many GSM8K questions")
args = parser.parse_args()
torch.set_num_threads(THREADS)
environment = {**os.environ, "RAYON_NUM_THREADS": str(THREADS)}
tokenizer = Tokenizer.from_file(f"{MODEL}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(256)


class TokenVectors(torch.nn.Module):
    """The network with one output, as ONNX wants it."""

    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained(MODEL, attn_implementation="eager", dtype=torch.float32).eval()

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export(folder):
    """Writes f32.onnx and int8.onnx: ONNX Runtime's dynamic quantization of the first."""
    axes = {0: "batch", 1: "sequence"}
    sample = torch.ones((2, 8), dtype=torch.int64)
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(TokenVectors(), (sample, sample), f"{folder}/f32.onnx", input_names=names, output_names=["hidden"],
                      opset_version=17, dynamo=False, dynamic_axes={name: axes for name in [*names, "hidden"]})
    quantize_dynamic(f"{folder}/f32.onnx", f"{folder}/int8.onnx", weight_type=QuantType.QInt8)


class Texts:
    def __init__(self, texts):
        self.texts = texts
        self.ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        self.order = sorted(range(len(texts)), key=lambda row: -len(self.ids[row]))
        self.tokens = sum(map(len, self.ids))

    def batches(self, size):
        """Rows, ids and mask of padded batches."""
        for start in range(0, len(self.order), size):
            rows = self.order[start:start + size]
            shape = (len(rows), len(self.ids[rows[0]]))
            ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
            for place, row in enumerate(rows):
                ids[place, :len(self.ids[row])] = self.ids[row]
                mask[place, :len(self.ids[row])] = 1
            yield rows, ids, mask


def forward(texts, batch, run):
    """Seconds and vectors of `run`, which gives pooled vectors of a batch."""
    vectors = np.zeros((len(texts.texts), 384), np.float32)
    start = time.perf_counter()
    for rows, ids, mask in texts.batches(batch):
        pooled = run(ids, mask)
        vectors[rows] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return time.perf_counter() - start, vectors


def onnx(file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(ids, mask):
        hidden = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)

    return lambda texts, batch: forward(texts, batch, run)


def pytorch(dtype):
    model = AutoModel.from_pretrained(MODEL, dtype=dtype).eval()

    def run(ids, mask):
        with torch.inference_mode():
            mask = torch.from_numpy(mask)
            hidden = model(input_ids=torch.from_numpy(ids), attention_mask=mask).last_hidden_state
            pooled = (hidden * mask[..., None].to(dtype)).sum(1) / mask.sum(1, keepdim=True)
        return pooled.float().numpy()

    return lambda texts, batch: forward(texts, batch, run)


def sentence_transformers():
    model = SentenceTransformer(MODEL, device="cpu", model_kwargs={"dtype": torch.float32})
    model.max_seq_length = 256

    def timed(texts, batch):
        start = time.perf_counter()
        vectors = model.encode(texts.texts, batch_size=batch, normalize_embeddings=True)
        return time.perf_counter() - start, vectors

    return timed


def semcov(texts, folder):
    """Tokens per second and vectors of semcov's forward pass, by precision."""
    file = pathlib.Path(folder, "texts.txt")
    file.write_text("\n".join(texts.texts) + "\n", encoding="utf-8")
    lines = subprocess.run([args.bench, "1", file, folder], check=True, capture_output=True, text=True, env=environment)
    found = [json.loads(line) for line in lines.stdout.splitlines()]
    assert all(line["tokens"] == texts.tokens for line in found), "the same tokens"
    return {line["precision"]: (line["tokens_per_second"], np.load(f"{folder}/{line['precision']}.npy")) for line in found}


def end_to_end(texts, precision, folder):
    """Seconds of `semcov embed` from a file of texts to a file of vectors, the start of the program included."""
    file = pathlib.Path(folder, "rows.jsonl")
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts.texts), encoding="utf-8")
    command = [args.semcov, "embed", file, "--cache", "none", "--precision", precision, "-o", f"{folder}/rows.npy"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**environment, "SEMCOV_THREADS": str(THREADS)})
    return time.perf_counter() - start


def agreement(vectors, reference):
    cosines = (vectors.astype(np.float64) * reference).sum(1)
    cosines /= np.linalg.norm(vectors.astype(np.float64), axis=1) * np.linalg.norm(reference.astype(np.float64), axis=1)
    return f"{cosines.mean():.5f} | {cosines.min():.5f}"


def corpora():
    """CLINC150's queries and GSM8K's questions, distinct and on one line each."""
    splits = json.loads((args.data / "clinc150/data_full.json").read_text(encoding="utf-8"))
    queries = [text for split in sorted(splits) for text, _ in splits[split]]
    lines = (args.data / "gsm8k/train.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    for name, texts, share in (("CLINC150", queries, 1), ("GSM8K", questions, 4)):
        distinct = list(dict.fromkeys(" ".join(text.split()) for text in texts))
        np.random.RandomState(0).shuffle(distinct)
        yield name, Texts(distinct[:args.texts // share]), Texts(distinct[:3 * args.texts // share])


def main():
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    names = ["numpy", "torch", "sentence-transformers", "onnxruntime", "tokenizers"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    version = subprocess.run([args.semcov, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"# The encoder on a CPU, {datetime.date.today()}\n\n{cpu}, {os.cpu_count()} cores, {platform.system()}; {version}; "
          f"{versions}. `benchsuite/encode.sh --rounds {args.rounds} --texts {args.texts}`, {THREADS} threads.\n")
    with tempfile.TemporaryDirectory() as folder:
        export(folder)
        peers = {
            "ONNX Runtime f32": onnx(f"{folder}/f32.onnx"),
            "ONNX Runtime int8, dynamic": onnx(f"{folder}/int8.onnx"),
            "PyTorch f32": pytorch(torch.float32),
            "PyTorch bf16": pytorch(torch.bfloat16),
            "sentence-transformers f32": sentence_transformers(),
        }
        for name, texts, more in corpora():
            compare(name, texts, more, peers, folder)


def compare(name, texts, more, peers, folder):
    # The batch size that a peer is faster with; this also warms everything up.
    batch = {peer: min(BATCHES, key=lambda size: run(texts, size)[0]) for peer, run in peers.items()}
    rates, vectors, whole = {}, {}, {precision: [] for precision in PRECISIONS}
    for _ in range(args.rounds):
        for precision, (rate, found) in semcov(texts, folder).items():
            rates.setdefault(f"semcov {precision}", []).append(rate)
            vectors[f"semcov {precision}"] = found
        for peer, run in peers.items():
            seconds, vectors[peer] = run(texts, batch[peer])
            rates.setdefault(peer, []).append(texts.tokens / seconds)
        print({program: round(of[-1]) for program, of in rates.items()}, file=sys.stderr)
    for _ in range(min(args.rounds, 3)):
        alone = semcov(more, folder)
        for precision in PRECISIONS:
            whole[precision].append(more.tokens / end_to_end(more, precision, folder) / alone[precision][0])

    def ratio(program, to):
        return statistics.median(a / b for a, b in zip(rates[program], rates[to]))

    print(f"## {name}: {len(texts.texts):,} texts, {texts.tokens:,} tokens\n")
    print("| program | batch | tokens/s | to ONNX Runtime f32 | cosine to sentence-transformers f32, mean | least |")
    print("|---|---|---|---|---|---|")
    for program, of in rates.items():
        print(f"| {program} | {batch.get(program, 'no padding')} | {statistics.median(of):,.0f} | "
              f"{ratio(program, 'ONNX Runtime f32'):.2f} | {agreement(vectors[program], vectors['sentence-transformers f32'])} |")
    print(f"\nbf16 is {ratio('semcov bf16', 'PyTorch bf16'):.2f} times as fast as PyTorch's, int8 "
          f"{ratio('semcov int8', 'ONNX Runtime int8, dynamic'):.2f} times as fast as ONNX Runtime's.\n")
    rest = ", ".join(f"{statistics.median(of):.2f} in {precision}" for precision, of in whole.items())
    print(f"`semcov embed` from file to file, start of the program included, on {len(more.texts):,} texts "
          f"({more.tokens:,} tokens): the rate of the forward pass alone times {rest}.\n")


if __name__ == "__main__":
    main()
