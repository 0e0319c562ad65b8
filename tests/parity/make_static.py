"""Makes the tiny static models of `fixtures/static`, as Model2Vec saves them, and the vectors that it computes with them.

    pip install model2vec==0.10.0
    python tests/parity/make_static.py

`plain` has a row of f16 for every entry of the vocabulary; `quantized` has 40 rows of 8 bits that entries share, and a
weight for each entry. Numbers are random.
"""

import json
import pathlib
import shutil

import numpy as np
from model2vec import StaticModel
from model2vec.persistence import save_pretrained
from safetensors.numpy import save_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent / "fixtures"


def main():
    texts = json.loads((HERE / "encoders/texts.json").read_text())
    tokenizer = Tokenizer.from_file(str(HERE / "encoders/bert-mean/tokenizer.json"))
    tokenizer.no_padding()
    entries = tokenizer.get_vocab_size()
    random = np.random.default_rng(0)
    rows = random.standard_normal((40, 16))
    models = {
        "plain": dict(vectors=random.standard_normal((entries, 16)).astype(np.float16)),
        "quantized": dict(
            vectors=np.round(rows * 127 / np.abs(rows).max()).astype(np.int8),
            token_mapping=random.integers(0, 40, entries),
            weights=random.random(entries),
        ),
    }
    for name, parts in models.items():
        folder = HERE / "static" / name
        shutil.rmtree(folder, ignore_errors=True)
        config = dict(model_type="model2vec", architectures=["StaticModel"], hidden_dim=16, seq_length=1000000)
        model = StaticModel(tokenizer=tokenizer, config=config, normalize=True, max_length=None, **parts)
        save_pretrained(
            folder, model.embedding, model.tokenizer, model.config, create_model_card=False,
            weights=model.weights, mapping=model.token_mapping,
        )
        vectors = StaticModel.from_pretrained(folder).encode(texts).astype(np.float32)
        save_file({"vectors": vectors}, folder / "vectors.safetensors")
        print(name, vectors.shape, "zero rows:", int((np.abs(vectors).sum(1) == 0).sum()))


main()
