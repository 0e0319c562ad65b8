// The kernels of a packed forward pass: f16 in memory, f32 in every sum. `cuda/enabled.rs` launches them and has
// checked what they rely on; the twins beside it define what they compute.
//
// Attention: T. Dao et al., FlashAttention, 2022, arXiv:2205.14135, with the running maximum and sum of M. Milakov,
// N. Gimelshein, Online normalizer calculation for softmax, 2018, arXiv:1805.02867. Fragments of `mma` are laid out as
// the PTX ISA says in "Matrix Fragments for mma.m16n8k16 with floating point type".
//
// Every pointer to __half is aligned to 16 bytes. Sizes are in elements.
#include <cuda_fp16.h>

#define LANES 32
#define ALL_LANES 0xffffffffu
// Queries of a warp, the rows of an mma.
#define QUERIES 16
// Keys that a block holds in shared memory at a time.
#define KEYS 32
// Largest hidden size: a lane holds this many pairs of components.
#define PAIRS 16
// Warps of a block of the kernels that have a warp per row; threads of a block of `pool`.
#define ROW_WARPS 4
#define POOL_THREADS 128

#ifdef __CUDACC__
// c += a * b: 16 x 8 of 16 x 16 and 16 x 8.
static __device__ __forceinline__ void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif

static __device__ __forceinline__ unsigned word(const __half *at) { return *reinterpret_cast<const unsigned *>(at); }

static __device__ __forceinline__ float2 floats(unsigned pair) {
  return __half22float2(*reinterpret_cast<const __half2 *>(&pair));
}

static __device__ __forceinline__ unsigned halves(float x, float y) {
  __half2 pair = __floats2half2_rn(x, y);
  return *reinterpret_cast<const unsigned *>(&pair);
}

static __device__ __forceinline__ unsigned add_pairs(unsigned a, unsigned b) {
  float2 x = floats(a), y = floats(b);
  return halves(x.x + y.x, x.y + y.y);
}

static __device__ __forceinline__ float sum_of_warp(float x) {
  for (int step = LANES / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
  return x;
}

// Attention of the queries of one tile in one head. A row of `input` (tokens x 3 heads SIZE) has queries, scaled, then
// keys, then values; `bias` (3 heads SIZE) is added to each. A tile is the first token of a text, the token behind it,
// and the first of the tile's queries. The block has a warp for every 16 queries of a tile; a grid has tiles x heads
// blocks. `context` is tokens x heads SIZE.
template <int SIZE>
static __device__ __forceinline__ void attend(const __half *input, const __half *bias, const unsigned *tiles,
                                              __half *context) {
  const int stride = SIZE + 8; // Rows begin in different banks, and at multiples of 16 bytes.
  __shared__ __align__(16) __half keys[KEYS * stride];
  __shared__ __align__(16) __half values[KEYS * stride];
  const unsigned begin = tiles[3 * blockIdx.x], end = tiles[3 * blockIdx.x + 1];
  const unsigned warp = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  const unsigned group = lane / 4, pair = lane % 4 * 2;
  const unsigned first = tiles[3 * blockIdx.x + 2] + warp * QUERIES;
  const size_t hidden = (size_t)gridDim.y * SIZE, row = 3 * hidden, head = (size_t)blockIdx.y * SIZE;

  unsigned queries[SIZE / 16][4];
  for (int step = 0; step < SIZE / 16; step++) {
    for (int part = 0; part < 4; part++) {
      const size_t token = first + group + part % 2 * 8, column = head + step * 16 + pair + part / 2 * 8;
      queries[step][part] = token < end ? add_pairs(word(input + token * row + column), word(bias + column)) : 0;
    }
  }
  float sums[SIZE / 8][4] = {};
  // Of query `group`, and of query `group` + 8: the largest score so far, and the lane's share of the sum.
  float most[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  for (unsigned key = begin; key < end; key += KEYS) {
    __syncthreads(); // Nobody reads the last tile of keys any more.
    for (unsigned i = threadIdx.x; i < KEYS * SIZE / 8; i += blockDim.x) {
      const unsigned place = i / (SIZE / 8), column = i % (SIZE / 8) * 8;
      const size_t token = (size_t)key + place;
      for (int part = 0; part < 2; part++) {
        uint4 out = {0, 0, 0, 0}; // A key that there is not has weight 0, and 0 times its value has to be 0.
        if (token < end) {
          const size_t from = (1 + part) * hidden + head + column;
          const uint4 x = *reinterpret_cast<const uint4 *>(input + token * row + from);
          const uint4 y = *reinterpret_cast<const uint4 *>(bias + from);
          out = {add_pairs(x.x, y.x), add_pairs(x.y, y.y), add_pairs(x.z, y.z), add_pairs(x.w, y.w)};
        }
        *reinterpret_cast<uint4 *>((part == 0 ? keys : values) + place * stride + column) = out;
      }
    }
    __syncthreads();
    if (first >= end) continue; // A whole warp, which only helps to load.

    float scores[KEYS / 8][4] = {};
    float tile_most[2] = {-INFINITY, -INFINITY};
    for (int n = 0; n < KEYS / 8; n++) {
      for (int step = 0; step < SIZE / 16; step++) {
        const __half *at = keys + (n * 8 + group) * stride + step * 16 + pair;
        mma(scores[n], queries[step], word(at), word(at + 8));
      }
      for (int i = 0; i < 4; i++) {
        if (key + n * 8 + pair + i % 2 >= end) scores[n][i] = -INFINITY;
        tile_most[i / 2] = fmaxf(tile_most[i / 2], scores[n][i]);
      }
    }
    for (int half = 0; half < 2; half++) {
      // The four lanes of a group have a query's scores. A tile has a key, so the maximum is a number.
      float next = fmaxf(tile_most[half], __shfl_xor_sync(ALL_LANES, tile_most[half], 1));
      next = fmaxf(next, __shfl_xor_sync(ALL_LANES, next, 2));
      next = fmaxf(next, most[half]);
      const float factor = __expf(most[half] - next);
      most[half] = next;
      total[half] *= factor;
      for (int n = 0; n < SIZE / 8; n++) {
        sums[n][2 * half] *= factor;
        sums[n][2 * half + 1] *= factor;
      }
    }
    for (int n = 0; n < KEYS / 8; n++) {
      for (int i = 0; i < 4; i++) {
        scores[n][i] = __expf(scores[n][i] - most[i / 2]);
        total[i / 2] += scores[n][i];
      }
    }
    for (int step = 0; step < KEYS / 16; step++) {
      // What an mma gives two products of 8 columns each is what it takes as one factor of 16.
      const float(&low)[4] = scores[2 * step];
      const float(&high)[4] = scores[2 * step + 1];
      const unsigned weights[4] = {halves(low[0], low[1]), halves(low[2], low[3]), halves(high[0], high[1]),
                                   halves(high[2], high[3])};
      for (int n = 0; n < SIZE / 8; n++) {
        const unsigned short *at =
            reinterpret_cast<const unsigned short *>(values) + (step * 16 + pair) * stride + n * 8 + group;
        const unsigned b0 = at[0] | (unsigned)at[stride] << 16;
        const unsigned b1 = at[8 * stride] | (unsigned)at[9 * stride] << 16;
        mma(sums[n], weights, b0, b1);
      }
    }
  }
  if (first >= end) return;
  for (int half = 0; half < 2; half++) {
    float all = total[half] + __shfl_xor_sync(ALL_LANES, total[half], 1);
    all += __shfl_xor_sync(ALL_LANES, all, 2);
    const size_t token = first + group + half * 8;
    if (token < end) {
      for (int n = 0; n < SIZE / 8; n++) {
        const unsigned out = halves(sums[n][2 * half] / all, sums[n][2 * half + 1] / all);
        *reinterpret_cast<unsigned *>(context + token * hidden + head + n * 8 + pair) = out;
      }
    }
  }
}

extern "C" __global__ void attend_32(const __half *input, const __half *bias, const unsigned *tiles, __half *context) {
  attend<32>(input, bias, tiles, context);
}

extern "C" __global__ void attend_64(const __half *input, const __half *bias, const unsigned *tiles, __half *context) {
  attend<64>(input, bias, tiles, context);
}

// Layer normalization of a row of a + b (+ bias), by one warp. `hidden` is even, and at most 2 LANES PAIRS.
static __device__ __forceinline__ void normalize(const __half *a, const __half *b, const __half *bias,
                                                 const __half *scale, const __half *shift, __half *out,
                                                 unsigned hidden, float eps) {
  const unsigned lane = threadIdx.x % LANES;
  float2 x[PAIRS];
  float sum = 0;
#pragma unroll
  for (int i = 0; i < PAIRS; i++) {
    const unsigned column = (i * LANES + lane) * 2;
    x[i] = {0, 0};
    if (column < hidden) {
      const float2 u = floats(word(a + column)), v = floats(word(b + column));
      x[i] = {u.x + v.x, u.y + v.y};
      if (bias) {
        const float2 w = floats(word(bias + column));
        x[i] = {x[i].x + w.x, x[i].y + w.y};
      }
      sum += x[i].x + x[i].y;
    }
  }
  const float mean = sum_of_warp(sum) / hidden;
  float squares = 0;
#pragma unroll
  for (int i = 0; i < PAIRS; i++) {
    if ((i * LANES + lane) * 2 < hidden) {
      x[i] = {x[i].x - mean, x[i].y - mean};
      squares += x[i].x * x[i].x + x[i].y * x[i].y;
    }
  }
  const float factor = 1 / sqrtf(sum_of_warp(squares) / hidden + eps);
#pragma unroll
  for (int i = 0; i < PAIRS; i++) {
    const unsigned column = (i * LANES + lane) * 2;
    if (column < hidden) {
      const float2 u = floats(word(scale + column)), v = floats(word(shift + column));
      const unsigned pair = halves(x[i].x * factor * u.x + v.x, x[i].y * factor * u.y + v.y);
      *reinterpret_cast<unsigned *>(out + column) = pair;
    }
  }
}

// out = normalized(product + bias + residual), each `rows` x `hidden`.
extern "C" __global__ void add_norm(const __half *product, const __half *bias, const __half *residual,
                                    const __half *scale, const __half *shift, __half *out, unsigned rows,
                                    unsigned hidden, float eps) {
  const size_t row = (size_t)blockIdx.x * ROW_WARPS + threadIdx.x / LANES;
  if (row >= rows) return;
  normalize(product + row * hidden, residual + row * hidden, bias, scale, shift, out + row * hidden, hidden, eps);
}

// out = normalized(word of the id + position), `rows` x `hidden`.
extern "C" __global__ void embed_norm(const unsigned *ids, const unsigned *places, const __half *words,
                                      const __half *positions, const __half *scale, const __half *shift, __half *out,
                                      unsigned rows, unsigned hidden, float eps) {
  const size_t row = (size_t)blockIdx.x * ROW_WARPS + threadIdx.x / LANES;
  if (row >= rows) return;
  normalize(words + (size_t)ids[row] * hidden, positions + (size_t)places[row] * hidden, nullptr, scale, shift,
            out + row * hidden, hidden, eps);
}

static __device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1 + erff(x * 0.70710678f)); }

static __device__ __forceinline__ unsigned gelu_of_sum(unsigned a, unsigned b) {
  const float2 x = floats(a), y = floats(b);
  return halves(gelu(x.x + y.x), gelu(x.y + y.y));
}

// x = GELU(x + bias) in place. `x` has `chunks` times 8 numbers, a row of it `row_chunks` times 8.
extern "C" __global__ void add_gelu(__half *x, const __half *bias, unsigned chunks, unsigned row_chunks) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= chunks) return;
  uint4 *at = reinterpret_cast<uint4 *>(x + (size_t)i * 8);
  const uint4 a = *at, b = *reinterpret_cast<const uint4 *>(bias + i % row_chunks * 8);
  *at = {gelu_of_sum(a.x, b.x), gelu_of_sum(a.y, b.y), gelu_of_sum(a.z, b.z), gelu_of_sum(a.w, b.w)};
}

// The sum of the tokens from `offsets[0]`, or from `offsets[1] - 1` if only the last counts, to `offsets[1]`, or one
// token if only the first counts, scaled to unit length; a block per text. `kind`: 0 mean, 1 first, 2 last token.
extern "C" __global__ void pool(const __half *tokens, const unsigned *offsets, float *out, unsigned hidden,
                                unsigned kind) {
  __shared__ float squares[POOL_THREADS / LANES];
  unsigned begin = offsets[blockIdx.x], end = offsets[blockIdx.x + 1];
  if (kind == 1 && begin < end) end = begin + 1;
  if (kind == 2 && begin < end) begin = end - 1;
  const unsigned warp = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  float2 x[2 * LANES * PAIRS / (2 * POOL_THREADS)];
  float square = 0;
#pragma unroll
  for (int i = 0; i < 2 * LANES * PAIRS / (2 * POOL_THREADS); i++) {
    const unsigned column = (i * POOL_THREADS + threadIdx.x) * 2;
    x[i] = {0, 0};
    if (column < hidden) {
      for (size_t token = begin; token < end; token++) {
        const float2 y = floats(word(tokens + token * hidden + column));
        x[i] = {x[i].x + y.x, x[i].y + y.y};
      }
      square += x[i].x * x[i].x + x[i].y * x[i].y;
    }
  }
  square = sum_of_warp(square);
  if (lane == 0) squares[warp] = square;
  __syncthreads();
  float all = 0;
  for (int i = 0; i < POOL_THREADS / LANES; i++) all += squares[i];
  const float factor = all > 0 ? 1 / sqrtf(all) : 0;
#pragma unroll
  for (int i = 0; i < 2 * LANES * PAIRS / (2 * POOL_THREADS); i++) {
    const unsigned column = (i * POOL_THREADS + threadIdx.x) * 2;
    if (column < hidden) {
      float *at = out + (size_t)blockIdx.x * hidden + column;
      at[0] = x[i].x * factor;
      at[1] = x[i].y * factor;
    }
  }
}
