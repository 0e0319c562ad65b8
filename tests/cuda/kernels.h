// What runs on the devices of `machine.h`: the kernels of `packed.cu` as `cuda_fp16.h` emulates them, candle's kernels
// as far as semcov has use for them, written again from what candle-kernels 0.11.1 says of their arguments, and matrix
// products.
//
// Before one runs, the memory behind each of its pointers is checked to be as large as its other arguments say. Kernels
// are known by name and by the sizes of their parameters, which have to be those in the PTX that the program loads.
#pragma once

#include "../../src/embed/gpu/cuda/packed.cu"
#include "machine.h"

namespace kernels {

using machine::running;

// An address on a device, as a kernel gets it.
template <class T> struct Pointer {
  uint64_t address;
  // The `n` numbers there.
  T *operator()(size_t n) const {
    constexpr size_t alignment = std::is_same_v<T, __half> ? 16 : alignof(T);
    return n ? reinterpret_cast<T *>(machine::on_device(address, n * sizeof(T), alignment)) : nullptr;
  }
};

struct Grid {
  unsigned x, y, threads;
};

struct Kernel {
  std::vector<size_t> parameters;
  // Takes arguments at once, as a launch does, for a run later.
  std::function<std::function<void(Grid)>(void **)> bind;
};

inline std::map<std::string, Kernel> all;

template <class... A> void add(const std::string &name, void (*run)(Grid, A...)) {
  all[name] = {{sizeof(A)...}, [run](void **arguments) -> std::function<void(Grid)> {
                 std::tuple<A...> copies;
                 std::apply([&](auto &...copy) { (memcpy(&copy, *arguments++, sizeof copy), ...); }, copies);
                 return [=](Grid grid) { std::apply([&](auto... argument) { run(grid, argument...); }, copies); };
               }};
}

// --- Our own ---

inline void emulate(Grid grid, const std::function<void()> &call) {
  EXPECT(grid.threads <= 256, "%u threads", grid.threads);
  const auto block = [&](size_t i) {
    emulated::run_block({grid.x, grid.y}, grid.threads, {unsigned(i % grid.x), unsigned(i / grid.x)}, call);
  };
  machine::parallel((size_t)grid.x * grid.y, block);
}

// As many blocks as `units` need, `per_block` at a time.
inline void expect_grid(Grid grid, size_t units, unsigned per_block, unsigned threads) {
  EXPECT(grid.y == 1 && grid.x == (units + per_block - 1) / per_block, "%u x %u blocks for %zu", grid.x, grid.y, units);
  EXPECT(grid.threads == threads, "%u threads a block, not %u", grid.threads, threads);
}

template <unsigned SIZE>
void run_attend(Grid grid, Pointer<__half> input, Pointer<__half> bias, Pointer<unsigned> tiles,
                Pointer<__half> context) {
  const unsigned *tile = tiles(3 * (size_t)grid.x), queries = grid.threads / LANES * QUERIES;
  EXPECT(grid.threads % LANES == 0 && queries <= 64, "%u threads", grid.threads);
  size_t tokens = 0;
  for (unsigned i = 0; i < grid.x; i++) {
    const unsigned begin = tile[3 * i], end = tile[3 * i + 1], first = tile[3 * i + 2];
    const bool follows =
        i > 0 && tile[3 * i - 3] == begin ? first == tile[3 * i - 1] + queries : begin == tokens && first == begin;
    EXPECT(begin <= first && first < end && follows, "tile %u of %u, %u, %u", i, begin, end, first);
    tokens = end;
  }
  const size_t hidden = (size_t)grid.y * SIZE;
  const __half *x = input(tokens * 3 * hidden), *b = bias(3 * hidden);
  __half *out = context(tokens * hidden);
  emulate(grid, [=] { attend<SIZE>(x, b, tile, out); });
}

inline void run_add_norm(Grid grid, Pointer<__half> product, Pointer<__half> bias, Pointer<__half> residual,
                         Pointer<__half> scale, Pointer<__half> shift, Pointer<__half> out, unsigned rows,
                         unsigned hidden, float eps) {
  expect_grid(grid, rows, ROW_WARPS, ROW_WARPS * LANES);
  EXPECT(hidden % 2 == 0 && hidden <= 2 * LANES * PAIRS && eps > 0 && eps < 1e-3, "rows of %u, eps %g", hidden, eps);
  const size_t n = (size_t)rows * hidden;
  const __half *x = product(n), *b = bias(hidden), *r = residual(n), *f = scale(hidden), *s = shift(hidden);
  __half *to = out(n);
  emulate(grid, [=] { add_norm(x, b, r, f, s, to, rows, hidden, eps); });
}

inline void run_embed_norm(Grid grid, Pointer<unsigned> ids, Pointer<unsigned> places, Pointer<__half> words,
                           Pointer<__half> positions, Pointer<__half> scale, Pointer<__half> shift, Pointer<__half> out,
                           unsigned rows, unsigned hidden, float eps) {
  expect_grid(grid, rows, ROW_WARPS, ROW_WARPS * LANES);
  EXPECT(hidden % 2 == 0 && hidden <= 2 * LANES * PAIRS && eps > 0 && eps < 1e-3, "rows of %u, eps %g", hidden, eps);
  const unsigned *id = ids(rows), *place = places(rows);
  const size_t most_id = *std::max_element(id, id + rows), most_place = *std::max_element(place, place + rows);
  const __half *w = words((most_id + 1) * hidden), *p = positions((most_place + 1) * hidden);
  const __half *f = scale(hidden), *s = shift(hidden);
  __half *to = out((size_t)rows * hidden);
  emulate(grid, [=] { embed_norm(id, place, w, p, f, s, to, rows, hidden, eps); });
}

inline void run_add_gelu(Grid grid, Pointer<__half> x, Pointer<__half> bias, unsigned chunks, unsigned row_chunks) {
  expect_grid(grid, chunks, 256, 256);
  EXPECT(row_chunks > 0 && chunks % row_chunks == 0, "%u chunks in rows of %u", chunks, row_chunks);
  __half *at = x((size_t)chunks * 8);
  const __half *b = bias((size_t)row_chunks * 8);
  emulate(grid, [=] { add_gelu(at, b, chunks, row_chunks); });
}

inline void run_pool(Grid grid, Pointer<__half> tokens, Pointer<unsigned> offsets, Pointer<float> out, unsigned hidden,
                     unsigned kind) {
  const unsigned *offset = offsets((size_t)grid.x + 1);
  expect_grid(grid, grid.x, 1, POOL_THREADS);
  EXPECT(*offset == 0 && std::is_sorted(offset, offset + grid.x + 1) && kind < 3, "no offsets, or kind %u", kind);
  const __half *x = tokens((size_t)offset[grid.x] * hidden);
  float *to = out((size_t)grid.x * hidden);
  emulate(grid, [=] { pool(x, offset, to, hidden, kind); });
}

// --- candle's ---

// Where an element of a tensor lies. `info` has dims, then strides of one tensor or of several; without it, one after
// the other.
struct Layout {
  size_t rank;
  const size_t *dims, *strides;
  Layout(size_t numel, size_t rank, Pointer<size_t> info, size_t which, size_t tensors)
      : rank(rank), dims(info.address ? info((1 + tensors) * rank) : nullptr), strides(dims + (1 + which) * rank) {
    size_t product = 1;
    for (size_t i = 0; dims && i < rank; i++) product *= dims[i];
    EXPECT(!dims || product == numel, "%zu elements, where dims say %zu", numel, product);
  }
  size_t operator()(size_t i) const {
    if (!dims) return i;
    size_t at = 0;
    for (size_t d = rank; d-- > 0; i /= dims[d]) at += i % dims[d] * strides[d];
    return at;
  }
  size_t extent(size_t numel) const { return numel ? (*this)(numel - 1) + 1 : 0; }
};

template <class F> void for_each(size_t n, F f) {
  constexpr size_t STEP = 1 << 14;
  machine::parallel((n + STEP - 1) / STEP, [&](size_t part) {
    for (size_t i = part * STEP; i < std::min(n, (part + 1) * STEP); i++) f(i);
  });
}

// An operation is a type, so that the name of its kernel is all that is kept of it.
template <class S, class T, class F>
void run_unary(Grid, size_t numel, size_t rank, Pointer<size_t> info, Pointer<S> in, Pointer<T> out) {
  const Layout at(numel, rank, info, 0, 1);
  const S *x = in(at.extent(numel));
  T *to = out(numel);
  for_each(numel, [=](size_t i) { to[i] = F()(x[at(i)]); });
}

template <class S, class T, class F>
void run_binary(Grid, size_t numel, size_t rank, Pointer<size_t> info, Pointer<S> left, Pointer<S> right,
                Pointer<T> out) {
  const Layout a(numel, rank, info, 0, 2), b(numel, rank, info, 1, 2);
  const S *x = left(a.extent(numel)), *y = right(b.extent(numel));
  T *to = out(numel);
  for_each(numel, [=](size_t i) { to[i] = F()(x[a(i)], y[b(i)]); });
}

template <class I, class T>
void run_where(Grid, size_t numel, size_t rank, Pointer<size_t> info, Pointer<I> which, Pointer<T> yes, Pointer<T> no,
               Pointer<T> out) {
  EXPECT(info.address, "no dims");
  const Layout a(numel, rank, info, 0, 3), b(numel, rank, info, 1, 3), c(numel, rank, info, 2, 3);
  const I *w = which(a.extent(numel));
  const T *y = yes(b.extent(numel)), *n = no(c.extent(numel));
  T *to = out(numel);
  for_each(numel, [=](size_t i) { to[i] = w[a(i)] ? y[b(i)] : n[c(i)]; });
}

template <class T>
void run_affine(Grid, size_t numel, size_t rank, Pointer<size_t> info, Pointer<T> in, Pointer<T> out, T factor,
                T summand) {
  const Layout at(numel, rank, info, 0, 1);
  const T *x = in(at.extent(numel));
  T *to = out(numel);
  for_each(numel, [=](size_t i) { to[i] = x[at(i)] * factor + summand; });
}

template <class T> void run_const_set(Grid, size_t numel, size_t rank, Pointer<size_t> info, T value, Pointer<T> out) {
  const Layout at(numel, rank, info, 0, 1);
  T *to = out(at.extent(numel));
  for_each(numel, [=](size_t i) { to[at(i)] = value; });
}

template <class T>
void run_copy2d(Grid grid, Pointer<T> from, Pointer<T> to, unsigned rows, unsigned columns, unsigned from_row,
                unsigned to_row) {
  EXPECT((size_t)grid.x * grid.threads >= (size_t)rows * columns, "%u blocks for %u x %u", grid.x, rows, columns);
  const T *x = from((size_t)(rows - 1) * from_row + columns);
  T *y = to((size_t)(rows - 1) * to_row + columns);
  for (size_t i = 0; i < rows; i++) std::copy_n(x + i * from_row, columns, y + i * to_row);
}

// What a reduction makes of `length` elements in a row; an index counts within the last dimension.
template <class T> T sum_of(size_t length, const std::function<T(size_t)> &x) {
  double sum = 0;
  for (size_t i = 0; i < length; i++) sum += x(i);
  return sum;
}
template <class T> uint32_t most_of(size_t length, const std::function<T(size_t)> &x) {
  uint32_t most = 0;
  for (size_t i = 1; i < length; i++) most = x(i) > x(most) ? i : most;
  return most;
}
template <class T> T largest_of(size_t length, const std::function<T(size_t)> &x) {
  T largest = x(0);
  for (size_t i = 1; i < length; i++) largest = x(i) > largest ? x(i) : largest;
  return largest;
}

template <class T, class O, O (*REDUCE)(size_t, const std::function<T(size_t)> &)>
void run_reduce(Grid grid, size_t numel, size_t length, size_t rank, Pointer<size_t> info, Pointer<T> in,
                Pointer<O> out) {
  EXPECT(length && numel % length == 0 && grid.x == numel / length, "%u blocks for %zu by %zu", grid.x, numel, length);
  const Layout at(numel, rank, info, 0, 1);
  const T *x = in(at.extent(numel));
  O *to = out(numel / length);
  machine::parallel(numel / length,
                    [&](size_t row) { to[row] = REDUCE(length, [&](size_t i) { return x[at(row * length + i)]; }); });
}

// Of short rows, a thread each.
template <class T>
void run_sum_small(Grid grid, size_t rows, size_t length, size_t rank, Pointer<size_t> info, Pointer<T> in,
                   Pointer<T> out) {
  EXPECT((size_t)grid.x * grid.threads >= rows, "%u blocks for %zu", grid.x, rows);
  run_reduce<T, T, sum_of<T>>({unsigned(rows), 1, 1}, rows * length, length, rank, info, in, out);
}

template <class I, class T>
void run_gather(Grid, size_t numel, Pointer<I> ids, Pointer<T> in, Pointer<T> out, size_t left, size_t in_size,
                size_t ids_size, size_t right) {
  EXPECT(numel == left * ids_size * right, "%zu elements of %zu x %zu x %zu", numel, left, ids_size, right);
  const I *id = ids(numel);
  const T *x = in(left * in_size * right);
  T *to = out(numel);
  for (size_t i = 0; i < numel; i++) {
    EXPECT(size_t(id[i]) < in_size, "index %zu of %zu", size_t(id[i]), in_size);
    to[i] = x[(i / (right * ids_size) * in_size + id[i]) * right + i % right];
  }
}

template <class I, class T>
void run_scatter(Grid, Pointer<I> ids, Pointer<T> in, Pointer<T> out, size_t left, size_t in_size, size_t out_size,
                 size_t right) {
  const size_t numel = left * in_size * right;
  const I *id = ids(numel);
  const T *x = in(numel);
  T *to = out(left * out_size * right);
  for (size_t i = 0; i < numel; i++) {
    EXPECT(size_t(id[i]) < out_size, "index %zu of %zu", size_t(id[i]), out_size);
    to[(i / (right * in_size) * out_size + id[i]) * right + i % right] = x[i];
  }
}

template <class I, class T>
void run_index_select(Grid, size_t numel, size_t rank, Pointer<size_t> info, Pointer<I> ids, Pointer<T> in,
                      Pointer<T> out, size_t left, size_t in_size, size_t ids_size, size_t right) {
  const Layout at(ids_size, rank, info, 0, 1); // Of the indices.
  EXPECT(at.extent(ids_size) == ids_size, "indices that are not one after the other");
  EXPECT(numel == left * ids_size * right, "%zu elements of %zu x %zu x %zu", numel, left, ids_size, right);
  const I *id = ids(ids_size);
  const T *x = in(left * in_size * right);
  T *to = out(numel);
  for (size_t i = 0; i < numel; i++) {
    const size_t which = id[i / right % ids_size];
    EXPECT(which < in_size, "index %zu of %zu", which, in_size);
    to[i] = x[(i / (ids_size * right) * in_size + which) * right + i % right];
  }
}

inline void run_softmax(Grid grid, Pointer<float> in, Pointer<float> out, int columns) {
  const float *x = in((size_t)grid.x * columns);
  float *to = out((size_t)grid.x * columns);
  machine::parallel(grid.x, [=](size_t row) {
    const float *from = x + row * columns, most = *std::max_element(from, from + columns);
    double sum = 0;
    for (int i = 0; i < columns; i++) sum += to[row * columns + i] = expf(from[i] - most);
    for (int i = 0; i < columns; i++) to[row * columns + i] /= sum;
  });
}

inline void norm(Grid grid, Pointer<float> in, Pointer<float> out, Pointer<float> scale, Pointer<float> shift,
                 size_t columns, float eps, bool is_centered) {
  const float *x = in(grid.x * columns), *f = scale(columns), *s = shift.address ? shift(columns) : nullptr;
  float *to = out(grid.x * columns);
  machine::parallel(grid.x, [=](size_t row) {
    const float *from = x + row * columns;
    double mean = 0, squares = 0;
    for (size_t i = 0; is_centered && i < columns; i++) mean += from[i] / double(columns);
    for (size_t i = 0; i < columns; i++) squares += (from[i] - mean) * (from[i] - mean) / columns;
    const double factor = 1 / std::sqrt(squares + eps);
    for (size_t i = 0; i < columns; i++) to[row * columns + i] = (from[i] - mean) * factor * f[i] + (s ? s[i] : 0);
  });
}

inline void run_layernorm(Grid grid, Pointer<float> in, Pointer<float> out, Pointer<float> scale, Pointer<float> shift,
                          int columns, int threads, float eps) {
  EXPECT(grid.threads == unsigned(threads), "%u threads, not %d", grid.threads, threads);
  norm(grid, in, out, scale, shift, columns, eps, true);
}

inline void run_rmsnorm(Grid grid, Pointer<float> in, Pointer<float> out, Pointer<float> scale, int columns,
                        int threads, float eps) {
  EXPECT(grid.threads == unsigned(threads), "%u threads, not %d", grid.threads, threads);
  norm(grid, in, out, scale, {0}, columns, eps, false);
}

// Turns halves of rows of `d`; td is positions times d, and there are bh of these.
inline void run_rope(Grid grid, Pointer<float> in, Pointer<float> cosines, Pointer<float> sines, Pointer<float> out,
                     unsigned bh, unsigned td, unsigned d, unsigned stride_b) {
  EXPECT(stride_b == 0 && (size_t)grid.x * grid.threads * 2 >= (size_t)bh * td, "%u blocks, stride %u", grid.x,
         stride_b);
  const float *x = in((size_t)bh * td), *c = cosines(td / 2), *s = sines(td / 2);
  float *to = out((size_t)bh * td);
  for_each((size_t)bh * td / 2, [=](size_t i) {
    const size_t angle = i % (td / 2), low = i / (td / 2) * td + angle / (d / 2) * d + angle % (d / 2),
                 high = low + d / 2;
    to[low] = x[low] * c[angle] - x[high] * s[angle];
    to[high] = x[low] * s[angle] + x[high] * c[angle];
  });
}

// --- Matrix products ---

typedef float Lane __attribute__((vector_size(32), aligned(4)));

// C (m x n) = alpha op(A) op(B) + beta C; by columns, as cuBLAS has them: C's columns are `ldc` apart. Sums run in f32.
template <class T>
void multiply(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const T *a, size_t lda, const T *b,
              size_t ldb, float beta, T *c, size_t ldc) {
  constexpr size_t WIDE = 16, HIGH = 6, CHUNK = 48;
  // A in panels of 16 rows, zeros behind the last: [panel][k][16].
  const size_t panels = (m + WIDE - 1) / WIDE;
  std::vector<float> packed(panels * k * WIDE);
  machine::parallel(panels, [&](size_t panel) {
    float *to = &packed[panel * k * WIDE];
    for (size_t i = 0; i < std::min(WIDE, m - panel * WIDE); i++) {
      const size_t row = panel * WIDE + i;
      for (size_t l = 0; l < k; l++) to[l * WIDE + i] = ta ? a[row * lda + l] : a[l * lda + row];
    }
  });
  machine::parallel((n + CHUNK - 1) / CHUNK, [&](size_t chunk) {
    const size_t first = chunk * CHUNK, columns = std::min(CHUNK, n - first);
    std::vector<float> right(CHUNK * k);
    for (size_t j = 0; j < columns; j++) {
      for (size_t l = 0; l < k; l++) right[j * k + l] = tb ? b[l * ldb + first + j] : b[(first + j) * ldb + l];
    }
    for (size_t panel = 0; panel < panels; panel++) {
      const float *left = &packed[panel * k * WIDE];
      for (size_t from = 0; from < columns; from += HIGH) {
        Lane sums[HIGH][2] = {};
        for (size_t l = 0; l < k; l++) {
          const Lane *x = reinterpret_cast<const Lane *>(left + l * WIDE);
          for (size_t j = 0; j < HIGH; j++) {
            const float y = right[(from + j) * k + l];
            sums[j][0] += x[0] * y;
            sums[j][1] += x[1] * y;
          }
        }
        for (size_t j = 0; j < std::min(HIGH, columns - from); j++) {
          for (size_t i = 0; i < std::min(WIDE, m - panel * WIDE); i++) {
            T &to = c[(first + from + j) * ldc + panel * WIDE + i];
            to = alpha * sums[j][i / 8][i % 8] + (beta == 0 ? 0 : beta * float(to));
          }
        }
      }
    }
  });
}

// --- By name ---

using f16 = _Float16;

#define UNARY(name, result)                                                                                            \
  struct name {                                                                                                        \
    template <class X> X operator()(X x) const { return result; }                                                      \
  }
UNARY(Copy, x);
UNARY(Negative, -x);
UNARY(Exp, expf(x));
UNARY(Sin, sinf(x));
UNARY(Cos, cosf(x));
UNARY(Tanh, tanhf(x));
UNARY(Abs, fabsf(x));
UNARY(Square, (x) * (x));
UNARY(Root, sqrtf(x));
UNARY(Reciprocal, 1 / x);
UNARY(Relu, x > 0 ? x : 0);
UNARY(Silu, x / (1 + expf(-x)));
UNARY(Sigmoid, 1 / (1 + expf(-x)));
UNARY(GeluErf, 0.5f * x * (1 + erff(x * 0.70710678f)));
UNARY(Gelu, 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x))));
#undef UNARY
template <class T> struct Cast {
  template <class S> T operator()(S x) const { return static_cast<T>(x); }
};

template <class T> void add_for(const std::string &type) {
  add("ucopy_" + type, run_unary<T, T, Copy>);
  add("cast_" + type + "_f32", run_unary<T, float, Cast<float>>);
  add("cast_" + type + "_u32", run_unary<T, uint32_t, Cast<uint32_t>>);
  add("cast_" + type + "_f16", run_unary<T, f16, Cast<f16>>);
  add("badd_" + type, run_binary<T, T, std::plus<>>);
  add("bsub_" + type, run_binary<T, T, std::minus<>>);
  add("bmul_" + type, run_binary<T, T, std::multiplies<>>);
  add("bdiv_" + type, run_binary<T, T, std::divides<>>);
  add("eq_" + type, run_binary<T, uint8_t, std::equal_to<>>);
  add("ne_" + type, run_binary<T, uint8_t, std::not_equal_to<>>);
  add("lt_" + type, run_binary<T, uint8_t, std::less<>>);
  add("le_" + type, run_binary<T, uint8_t, std::less_equal<>>);
  add("gt_" + type, run_binary<T, uint8_t, std::greater<>>);
  add("ge_" + type, run_binary<T, uint8_t, std::greater_equal<>>);
  add("affine_" + type, run_affine<T>);
  add("const_set_" + type, run_const_set<T>);
  add("copy2d_" + type, run_copy2d<T>);
  add("where_u8_" + type, run_where<uint8_t, T>);
  add("where_u32_" + type, run_where<uint32_t, T>);
  add("fast_sum_" + type, run_reduce<T, T, sum_of<T>>);
  add("fast_sum_small_" + type, run_sum_small<T>);
  add("fast_max_" + type, run_reduce<T, T, largest_of<T>>);
  add("fast_argmax_" + type, run_reduce<T, uint32_t, most_of<T>>);
  add("gather_u32_" + type, run_gather<uint32_t, T>);
  add("s_u32_" + type, run_scatter<uint32_t, T>);
  add("is_u32_" + type, run_index_select<uint32_t, T>);
}

inline const bool added = [] {
  add("attend_32", run_attend<32>);
  add("attend_64", run_attend<64>);
  add("add_norm", run_add_norm);
  add("embed_norm", run_embed_norm);
  add("add_gelu", run_add_gelu);
  add("pool", run_pool);
  add_for<float>("f32");
  add_for<f16>("f16");
  add_for<uint32_t>("u32");
  add_for<uint8_t>("u8");
  add_for<int64_t>("i64");
  add("uneg_f32", run_unary<float, float, Negative>);
  add("uexp_f32", run_unary<float, float, Exp>);
  add("usin_f32", run_unary<float, float, Sin>);
  add("ucos_f32", run_unary<float, float, Cos>);
  add("utanh_f32", run_unary<float, float, Tanh>);
  add("uabs_f32", run_unary<float, float, Abs>);
  add("usqr_f32", run_unary<float, float, Square>);
  add("usqrt_f32", run_unary<float, float, Root>);
  add("urecip_f32", run_unary<float, float, Reciprocal>);
  add("urelu_f32", run_unary<float, float, Relu>);
  add("usilu_f32", run_unary<float, float, Silu>);
  add("usigmoid_f32", run_unary<float, float, Sigmoid>);
  add("ugelu_erf_f32", run_unary<float, float, GeluErf>);
  add("ugelu_f32", run_unary<float, float, Gelu>);
  add("softmax_f32", run_softmax);
  add("layernorm_f32", run_layernorm);
  add("rmsnorm_f32", run_rmsnorm);
  add("rope_f32", run_rope);
  return true;
}();

} // namespace kernels
