// What `packed.cu` uses of CUDA, for a C++ compiler: a block runs as fibers of one thread, one block after the other.
//
// Threads change places only where they meet: at a barrier of the block, or in an exchange within a warp. An exchange
// that not all 32 lanes reach, or a barrier that a thread never reaches, ends the program. Half precision is the
// compiler's own (`_Float16`). Fragments of `mma` are as in the PTX ISA, 9.7.14, "Matrix Fragments for mma.m16n8k16 with
// floating point type"; sums run in f32, in an order that a GPU does not promise either.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __expf(x) expf(x)

struct float2 {
  float x, y;
};
struct uint4 {
  unsigned x, y, z, w;
};
struct dim3 {
  unsigned x, y;
};
struct __half {
  unsigned short bits;
};
struct __half2 {
  __half x, y;
};

inline float to_float(__half x) {
  _Float16 half;
  memcpy(&half, &x, sizeof half);
  return half;
}

inline __half to_half(float x) {
  const _Float16 half = x;
  __half out;
  memcpy(&out, &half, sizeof out);
  return out;
}

inline float2 __half22float2(__half2 x) { return {to_float(x.x), to_float(x.y)}; }
inline __half2 __floats2half2_rn(float x, float y) { return {to_half(x), to_half(y)}; }

namespace emulated {

constexpr unsigned LANES = 32;
constexpr size_t STACK = 256 * 1024;

// Where `size` threads wait for each other.
struct Meeting {
  unsigned size = 0, here = 0, generation = 0;
};

struct Exchange {
  float value;
  float c[4];
  unsigned a[4], b[2];
};

struct Warp {
  Meeting meeting;
  Exchange lanes[LANES];
};

struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[STACK]};
  unsigned index = 0;
  bool done = false;
};

inline dim3 block_index, block_size, grid_size;
inline Thread *current;
inline ucontext_t scheduler;
inline bool moved;
inline Meeting block;
inline std::vector<Warp> warps;
inline std::function<void()> kernel;

inline void meet(Meeting &meeting) {
  moved = true;
  const unsigned generation = meeting.generation;
  if (++meeting.here == meeting.size) {
    meeting.here = 0;
    meeting.generation++;
    return;
  }
  while (meeting.generation == generation) swapcontext(&current->context, &scheduler);
  moved = true;
}

inline Warp &warp() { return warps[current->index / LANES]; }

inline void enter() {
  kernel();
  current->done = true;
  moved = true;
  // One that has ended is waited for no longer by its block.
  if (--block.size > 0 && block.here == block.size) {
    block.here = 0;
    block.generation++;
  }
}

// Runs `call`, a kernel with its arguments, on a grid.
inline void launch(dim3 grid, unsigned threads, std::function<void()> call) {
  kernel = std::move(call);
  grid_size = grid;
  block_size = {threads, 1};
  static std::vector<Thread> pool(256);
  for (unsigned y = 0; y < grid.y; y++) {
    for (unsigned x = 0; x < grid.x; x++) {
      block_index = {x, y};
      block = {threads};
      warps.assign((threads + LANES - 1) / LANES, {});
      for (Warp &warp : warps) warp.meeting.size = LANES;
      for (unsigned i = 0; i < threads; i++) {
        Thread &thread = pool[i];
        thread.index = i;
        thread.done = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = STACK;
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, enter, 0);
      }
      unsigned left = threads;
      while (left > 0) {
        moved = false;
        left = 0;
        for (unsigned i = 0; i < threads; i++) {
          current = &pool[i];
          if (!current->done) swapcontext(&scheduler, &current->context);
          left += !current->done;
        }
        if (left > 0 && !moved) {
          fprintf(stderr, "%u threads wait for others that never come\n", left);
          exit(1);
        }
      }
    }
  }
}

} // namespace emulated

struct ThreadIndex {
  struct {
    operator unsigned() const { return emulated::current->index; }
  } x;
};
inline ThreadIndex threadIdx;
#define blockIdx emulated::block_index
#define blockDim emulated::block_size
#define gridDim emulated::grid_size

inline void __syncthreads() { emulated::meet(emulated::block); }

inline float __shfl_xor_sync(unsigned, float x, unsigned with) {
  emulated::Warp &warp = emulated::warp();
  const unsigned lane = threadIdx.x % emulated::LANES;
  warp.lanes[lane].value = x;
  emulated::meet(warp.meeting);
  const float out = warp.lanes[lane ^ with].value;
  emulated::meet(warp.meeting);
  return out;
}

inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  emulated::Warp &warp = emulated::warp();
  const unsigned lane = threadIdx.x % emulated::LANES;
  emulated::Exchange &own = warp.lanes[lane];
  memcpy(own.a, a, sizeof own.a);
  own.b[0] = b0;
  own.b[1] = b1;
  emulated::meet(warp.meeting);
  const auto half_of = [](unsigned pair, unsigned which) {
    return to_float({static_cast<unsigned short>(pair >> 16 * which)});
  };
  // A, 16 x 16: the lane of element (row, column), and which of its eight numbers that is, by the ISA's rule
  // row = lane / 4 for a0, a1, a4, a5 and lane / 4 + 8 for the others; column = lane % 4 * 2 + (i & 1), + 8 from a4 on.
  const auto factor_a = [&](unsigned row, unsigned column) {
    const unsigned i = (column >= 8) * 4 + (row >= 8) * 2 + column % 2;
    return half_of(warp.lanes[row % 8 * 4 + column % 8 / 2].a[i / 2], i % 2);
  };
  // B, 16 x 8: row = lane % 4 * 2 + (i & 1), + 8 from b2 on; column = lane / 4.
  const auto factor_b = [&](unsigned row, unsigned column) {
    const unsigned i = (row >= 8) * 2 + row % 2;
    return half_of(warp.lanes[column * 4 + row % 8 / 2].b[i / 2], i % 2);
  };
  // C, 16 x 8: row = lane / 4 for c0, c1 and lane / 4 + 8 for c2, c3; column = lane % 4 * 2 + (i & 1).
  for (unsigned i = 0; i < 4; i++) {
    const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; k++) c[i] += factor_a(row, k) * factor_b(k, column);
  }
  emulated::meet(warp.meeting);
}
