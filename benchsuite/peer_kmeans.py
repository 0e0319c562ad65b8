"""One k-means fit, alone in its process, beside `semcov report --reference`; see gaps.sh.

usage: peer_kmeans.py LIBRARY VECTORS.npy LEAVES

25 iterations at most, one start, every row. Prints the seconds of the fit (reading and imports left out) and the mean
cosine similarity of the rows to their centroid.
"""
import json
import sys
import time

import numpy as np

library, leaves = sys.argv[1], int(sys.argv[3])
vectors = np.load(sys.argv[2]).astype(np.float32)
if library == "faiss":
    import faiss
    fit = faiss.Kmeans(vectors.shape[1], leaves, niter=25, seed=1, spherical=True, max_points_per_centroid=len(vectors))
    start = time.perf_counter()
    fit.train(vectors)
    leaf = fit.index.search(vectors, 1)[1][:, 0]
    seconds, centroids = time.perf_counter() - start, fit.centroids
else:
    from sklearn import cluster
    fit = getattr(cluster, library)(leaves, n_init=1, max_iter=25, random_state=0)
    start = time.perf_counter()
    leaf = fit.fit_predict(vectors)
    seconds, centroids = time.perf_counter() - start, fit.cluster_centers_
centroids = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
similarity = float(np.mean([(vectors[i:i + 9999] * centroids[leaf[i:i + 9999]]).sum(1).mean(dtype=np.float64)
                            for i in range(0, len(vectors), 9999)]))
print(json.dumps({"seconds": seconds, "similarity": similarity}))
