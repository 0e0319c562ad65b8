// What `packed.cu` uses of CUDA, for a C++ compiler: a block runs as fibers of one thread, one block after the other.
//
// Threads change places only where they meet: at a barrier of the block, or in an exchange within a warp. An exchange
// that not all 32 lanes reach, or a barrier that a thread never reaches, ends the program. Half precision is the
// compiler's own (`_Float16`). Fragments of `mma` are as in the PTX ISA, 9.7.14, "Matrix Fragments for mma.m16n8k16
// with floating point type"; sums run in f32, in an order that a GPU does not promise either. Several host threads can
// run blocks at the same time.
#pragma once

#ifndef __x86_64__
#include <ucontext.h>
#endif

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
#define __shared__ static thread_local
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

// What a lane hands to its warp. Values are kept twice: a lane may be one exchange ahead of those that still read.
struct Exchange {
  float values[2];
  float *c;
  unsigned a[4], b[2];
};

struct Warp {
  Meeting meeting;
  Exchange lanes[LANES];
};

// Where a fiber goes on. What it costs to change places is most of what an emulated block costs, and `swapcontext`
// makes two system calls: where its parts are known, only the registers that a call preserves are kept.
#ifdef __x86_64__
struct Context {
  void *stack;
};
asm(R"(.text
.local change_stacks
change_stacks:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdi)
  mov (%rsi), %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
)");
extern "C" void change_stacks(Context *from, const Context *to);
inline void change(Context &from, const Context &to) { change_stacks(&from, &to); }
inline void begin_at(Context &context, char *stack, size_t size, void (*entry)()) {
  void **top = reinterpret_cast<void **>(stack + size / 16 * 16) - 8;
  top[6] = reinterpret_cast<void *>(entry); // Where `ret` goes, with the stack as behind a call.
  context.stack = top;
}
#else
using Context = ucontext_t;
inline void change(Context &from, const Context &to) { swapcontext(&from, &to); }
inline void begin_at(Context &context, char *stack, size_t size, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = size;
  context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}
#endif

struct Thread {
  Context context;
  std::unique_ptr<char[]> stack{new char[STACK]};
  unsigned index = 0;
  bool done = false;
};

inline thread_local dim3 block_index, block_size, grid_size;
inline thread_local Thread *current;
inline thread_local Context scheduler;
inline thread_local bool moved;
inline thread_local Meeting block;
inline thread_local std::vector<Warp> warps;
inline thread_local const std::function<void()> *kernel;

// Waits for the others; the last to come calls `then` before anybody goes on.
template <class Then> void meet(Meeting &meeting, Then then) {
  moved = true;
  const unsigned generation = meeting.generation;
  if (++meeting.here == meeting.size) {
    then();
    meeting.here = 0;
    meeting.generation++;
    return;
  }
  while (meeting.generation == generation) change(current->context, scheduler);
  moved = true;
}

inline Warp &warp() { return warps[current->index / LANES]; }

inline void run() {
  (*kernel)();
  current->done = true;
  moved = true;
  // One that has ended is waited for no longer by its block.
  if (--block.size > 0 && block.here == block.size) {
    block.here = 0;
    block.generation++;
  }
}

inline void enter() {
  run();
  for (;;) change(current->context, scheduler);
}

// Runs `call`, a kernel with its arguments, on one block of a grid.
inline void run_block(dim3 grid, unsigned threads, dim3 index, const std::function<void()> &call) {
  static thread_local std::vector<Thread> pool(256);
  kernel = &call;
  grid_size = grid;
  block_size = {threads, 1};
  block_index = index;
  block = {threads};
  warps.assign((threads + LANES - 1) / LANES, {});
  for (Warp &warp : warps) warp.meeting.size = LANES;
  for (unsigned i = 0; i < threads; i++) {
    pool[i].index = i;
    pool[i].done = false;
    begin_at(pool[i].context, pool[i].stack.get(), STACK, enter);
  }
  unsigned left = threads;
  while (left > 0) {
    moved = false;
    left = 0;
    for (unsigned i = 0; i < threads; i++) {
      current = &pool[i];
      if (!current->done) change(scheduler, current->context);
      left += !current->done;
    }
    if (left > 0 && !moved) {
      fprintf(stderr, "%u threads wait for others that never come\n", left);
      exit(1);
    }
  }
}

// Runs `call` on a grid, block after block.
inline void launch(dim3 grid, unsigned threads, const std::function<void()> &call) {
  for (unsigned y = 0; y < grid.y; y++) {
    for (unsigned x = 0; x < grid.x; x++) run_block(grid, threads, {x, y}, call);
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

inline void __syncthreads() {
  emulated::meet(emulated::block, [] {});
}

inline float __shfl_xor_sync(unsigned, float x, unsigned with) {
  emulated::Warp &warp = emulated::warp();
  const unsigned lane = threadIdx.x % emulated::LANES, which = warp.meeting.generation % 2;
  warp.lanes[lane].values[which] = x;
  emulated::meet(warp.meeting, [] {});
  return warp.lanes[lane ^ with].values[which];
}

// Of a whole warp, by its last lane.
inline void mma(emulated::Warp &warp) {
  float a[16][16], b[16][8], c[16][8];
  // A lane's number i of A, 16 x 16: row = lane / 4 for a0, a1, a4, a5 and lane / 4 + 8 for the others; column = lane %
  // 4 * 2 + (i & 1), + 8 from a4 on. Of B, 16 x 8: row = lane % 4 * 2 + (i & 1), + 8 from b2 on; column = lane / 4. Of
  // C, 16 x 8: row = lane / 4 for c0, c1 and lane / 4 + 8 for c2, c3; column = lane % 4 * 2 + (i & 1).
  const auto half_of = [](unsigned pair, unsigned which) {
    return to_float({static_cast<unsigned short>(pair >> 16 * which)});
  };
  for (unsigned lane = 0; lane < emulated::LANES; lane++) {
    const emulated::Exchange &own = warp.lanes[lane];
    const unsigned group = lane / 4, pair = lane % 4 * 2;
    for (unsigned i = 0; i < 8; i++) a[group + i / 2 % 2 * 8][pair + i % 2 + i / 4 * 8] = half_of(own.a[i / 2], i % 2);
    for (unsigned i = 0; i < 4; i++) b[pair + i % 2 + i / 2 * 8][group] = half_of(own.b[i / 2], i % 2);
    for (unsigned i = 0; i < 4; i++) c[group + i / 2 * 8][pair + i % 2] = own.c[i];
  }
  for (unsigned row = 0; row < 16; row++) {
    for (unsigned k = 0; k < 16; k++) {
      for (unsigned column = 0; column < 8; column++) c[row][column] += a[row][k] * b[k][column];
    }
  }
  for (unsigned lane = 0; lane < emulated::LANES; lane++) {
    for (unsigned i = 0; i < 4; i++) warp.lanes[lane].c[i] = c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  emulated::Warp &warp = emulated::warp();
  emulated::Exchange &own = warp.lanes[threadIdx.x % emulated::LANES];
  memcpy(own.a, a, sizeof own.a);
  own.b[0] = b0;
  own.b[1] = b1;
  own.c = c;
  emulated::meet(warp.meeting, [&warp] { mma(warp); });
}
