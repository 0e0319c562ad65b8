// The CUDA kernels of `src/embed/gpu/cuda`, run thread by thread on a processor, against their definitions in
// double precision: every shape at the borders of tiles, every number of the output written, nothing read or written
// outside (compile it with -fsanitize=address,undefined).
#include "../../src/embed/gpu/cuda/packed.cu"

#include <algorithm>
#include <random>

using emulated::launch;

static std::mt19937 numbers(42);
static int failures = 0;

static std::vector<__half> random_halves(size_t n, float scale) {
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::vector<__half> out(n);
  for (__half &x : out) x = to_half(uniform(numbers));
  return out;
}

// Results begin as NaN: what is not written is seen.
static std::vector<__half> unset(size_t n) { return std::vector<__half>(n, __half{0x7e00}); }

static std::vector<double> doubles(const std::vector<__half> &x) {
  std::vector<double> out(x.size());
  std::transform(x.begin(), x.end(), out.begin(), to_float);
  return out;
}

static void compare(const char *what, const std::vector<double> &got, const std::vector<double> &expected, double bound) {
  double largest = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    const double difference = std::abs(got[i] - expected[i]) / std::max(1.0, std::abs(expected[i]));
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  const bool bad = largest > bound || got.size() != expected.size();
  failures += bad;
  printf("%-60s %8zu numbers, largest difference %.1e%s\n", what, expected.size(), largest, bad ? "  TOO FAR" : "");
}

static void attention(unsigned heads, unsigned size, const std::vector<unsigned> &lengths, unsigned queries, float scale) {
  unsigned tokens = 0;
  std::vector<unsigned> tiles;
  for (unsigned length : lengths) {
    for (unsigned first = 0; first < length; first += queries) {
      tiles.insert(tiles.end(), {tokens, tokens + length, tokens + first});
    }
    tokens += length;
  }
  const unsigned hidden = heads * size;
  const auto input = random_halves((size_t)tokens * 3 * hidden, scale), bias = random_halves(3 * hidden, scale);
  auto context = unset((size_t)tokens * hidden);
  launch({(unsigned)tiles.size() / 3, heads}, queries / QUERIES * LANES, [&] {
    (size == 32 ? attend_32 : attend_64)(input.data(), bias.data(), tiles.data(), context.data());
  });
  std::vector<double> x(input.size()), expected(context.size());
  for (size_t i = 0; i < x.size(); i++) x[i] = to_float(to_half(to_float(input[i]) + to_float(bias[i % bias.size()])));
  unsigned begin = 0;
  for (unsigned length : lengths) {
    for (unsigned head = 0; head < heads; head++) {
      for (unsigned query = begin; query < begin + length; query++) {
        std::vector<double> weights(length);
        double most = -INFINITY, total = 0;
        for (unsigned key = 0; key < length; key++) {
          for (unsigned i = 0; i < size; i++) {
            weights[key] += x[(size_t)query * 3 * hidden + head * size + i] *
                            x[(size_t)(begin + key) * 3 * hidden + hidden + head * size + i];
          }
          most = std::max(most, weights[key]);
        }
        for (double &weight : weights) total += weight = std::exp(weight - most);
        for (unsigned i = 0; i < size; i++) {
          double sum = 0;
          for (unsigned key = 0; key < length; key++) {
            sum += weights[key] * x[(size_t)(begin + key) * 3 * hidden + 2 * hidden + head * size + i];
          }
          expected[(size_t)query * hidden + head * size + i] = sum / total;
        }
      }
    }
    begin += length;
  }
  char what[200];
  snprintf(what, sizeof what, "attention, %u heads of %u, %zu texts to %u tokens, %u queries, to %.0f", heads, size,
           lengths.size(), lengths.back(), queries, scale);
  // Values and weights are f16: 2^-11 of each, of values up to `scale`.
  compare(what, doubles(context), expected, 1.5e-3);
}

static void normalization(unsigned rows, unsigned hidden) {
  const size_t n = (size_t)rows * hidden;
  const float eps = 1e-12f;
  const auto scale = random_halves(hidden, 2), shift = random_halves(hidden, 1);
  const auto norm = [&](std::vector<double> x) {
    for (unsigned row = 0; row < rows; row++) {
      double *at = &x[(size_t)row * hidden], mean = 0, variance = 0;
      for (unsigned i = 0; i < hidden; i++) mean += at[i] / hidden;
      for (unsigned i = 0; i < hidden; i++) variance += (at[i] - mean) * (at[i] - mean) / hidden;
      for (unsigned i = 0; i < hidden; i++) {
        at[i] = (at[i] - mean) / std::sqrt(variance + eps) * to_float(scale[i]) + to_float(shift[i]);
      }
    }
    return x;
  };
  const unsigned blocks = (rows + ROW_WARPS - 1) / ROW_WARPS;
  char what[200];
  {
    const auto product = random_halves(n, 9), bias = random_halves(hidden, 9), residual = random_halves(n, 9);
    auto out = unset(n);
    launch({blocks, 1}, ROW_WARPS * LANES, [&] {
      add_norm(product.data(), bias.data(), residual.data(), scale.data(), shift.data(), out.data(), rows, hidden, eps);
    });
    auto sum = doubles(product);
    for (size_t i = 0; i < n; i++) sum[i] += to_float(residual[i]) + to_float(bias[i % hidden]);
    snprintf(what, sizeof what, "sum and normalization, %u rows of %u", rows, hidden);
    compare(what, doubles(out), norm(sum), 1e-3);
  }
  const unsigned vocabulary = 7, places_known = 5;
  const auto words = random_halves(vocabulary * hidden, 1), positions = random_halves(places_known * hidden, 1);
  std::vector<unsigned> ids(rows), places(rows);
  std::vector<double> sum(n);
  for (unsigned row = 0; row < rows; row++) {
    ids[row] = vocabulary - 1 - row % vocabulary;
    places[row] = row % places_known;
    for (unsigned i = 0; i < hidden; i++) {
      sum[(size_t)row * hidden + i] = to_float(words[ids[row] * hidden + i]) + to_float(positions[places[row] * hidden + i]);
    }
  }
  auto out = unset(n);
  launch({blocks, 1}, ROW_WARPS * LANES, [&] {
    embed_norm(ids.data(), places.data(), words.data(), positions.data(), scale.data(), shift.data(), out.data(), rows,
               hidden, eps);
  });
  snprintf(what, sizeof what, "embedding and normalization, %u rows of %u", rows, hidden);
  compare(what, doubles(out), norm(sum), 1e-3);
}

static void activation(unsigned rows, unsigned inner) {
  auto x = random_halves((size_t)rows * inner, 5);
  const auto bias = random_halves(inner, 1);
  auto expected = doubles(x);
  for (size_t i = 0; i < expected.size(); i++) {
    const double y = expected[i] + to_float(bias[i % inner]);
    expected[i] = 0.5 * y * (1 + std::erf(y / std::sqrt(2.0)));
  }
  const unsigned chunks = (unsigned)(x.size() / 8);
  launch({(chunks + 255) / 256, 1}, 256, [&] { add_gelu(x.data(), bias.data(), chunks, inner / 8); });
  char what[200];
  snprintf(what, sizeof what, "activation, %u rows of %u", rows, inner);
  compare(what, doubles(x), expected, 6e-4);
}

static void pooling(unsigned hidden, unsigned kind, const std::vector<unsigned> &lengths) {
  std::vector<unsigned> offsets = {0};
  for (unsigned length : lengths) offsets.push_back(offsets.back() + length);
  const auto tokens = random_halves((size_t)offsets.back() * hidden, 3);
  std::vector<float> out(lengths.size() * hidden, NAN);
  launch({(unsigned)lengths.size(), 1}, POOL_THREADS, [&] { pool(tokens.data(), offsets.data(), out.data(), hidden, kind); });
  std::vector<double> expected(out.size());
  for (size_t text = 0; text < lengths.size(); text++) {
    double square = 0;
    for (unsigned i = 0; i < hidden; i++) {
      double sum = 0;
      for (unsigned token = 0; token < lengths[text]; token++) {
        const bool counts = kind == 0 || (kind == 1 && token == 0) || (kind == 2 && token + 1 == lengths[text]);
        if (counts) sum += to_float(tokens[(size_t)(offsets[text] + token) * hidden + i]);
      }
      expected[text * hidden + i] = sum;
      square += sum * sum;
    }
    for (unsigned i = 0; i < hidden && square > 0; i++) expected[text * hidden + i] /= std::sqrt(square);
  }
  char what[200];
  snprintf(what, sizeof what, "pooling %u of %u components, %zu texts", kind, hidden, lengths.size());
  compare(what, std::vector<double>(out.begin(), out.end()), expected, 1e-5);
}

int main() {
  const std::vector<unsigned> borders = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 80, 127, 128, 129};
  for (unsigned size : {32u, 64u}) {
    for (unsigned queries : {16u, 32u, 64u}) attention(2, size, borders, queries, 1);
    attention(1, size, {512}, 64, 1);
    // Scores to some hundreds: exponentials would overflow if the maximum were not taken off.
    attention(3, size, borders, 64, 4);
    attention(12, size, {1, 1, 1}, 16, 1);
  }
  for (unsigned hidden : {8u, 32u, 64u, 312u, 384u, 768u, 1000u, 1024u}) {
    for (unsigned rows : {1u, 4u, 9u}) normalization(rows, hidden);
    for (unsigned kind : {0u, 1u, 2u}) pooling(hidden, kind, {0, 1, 2, 30, 0});
  }
  for (unsigned inner : {8u, 1536u, 4096u}) activation(5, inner);
  printf("%s\n", failures ? "FAILED" : "all within their bounds");
  return failures != 0;
}
