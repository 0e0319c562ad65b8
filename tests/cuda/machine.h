// Devices that are none: their memory, and streams that put off what they are handed.
//
// A stream is a queue. Nothing of it is done before somebody waits for it, and then no more than is waited for; so a
// host that reads too early, or writes over what is still to be copied, is seen. With CUDA_STAND_IN_SEED, streams get
// on by themselves as well, by a step or some at a time that a generator with this seed chooses. Memory comes from
// pages of its own in front of one that nobody may touch, begins as numbers that are none (NaN in f16 and f32, and an
// index beyond every table), and its pages are closed for good when it is freed; an address on a device is none of the
// host. What is wrong ends the program with a line that says what.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace machine {

constexpr size_t PAGE = 4096, ALIGNMENT = 256;
// Added to an address on a device: the host that follows it ends with a fault.
constexpr uint64_t FAR = 1ull << 60;
// NaN in f16 and in f32.
constexpr wchar_t UNSET = 0x7fc17fc1;

inline size_t setting(const char *name, size_t otherwise) {
  const char *value = getenv(name);
  return value ? strtoull(value, nullptr, 10) : otherwise;
}

struct Device {
  int index;
  unsigned retained = 0;
  size_t in_use = 0, most = 0;
};

struct Task {
  std::string what;
  std::function<void()> work;
};

struct Stream {
  Device *device;
  std::deque<Task> queue;
  uint64_t handed_in = 0, done = 0;
};

// Behind the task of this number of a stream, if it was ever recorded.
struct Event {
  Device *device;
  Stream *stream = nullptr;
  uint64_t number = 0;
};

enum State { PROMISED, LIVE, FREED };

struct Memory {
  size_t size;
  char *data;
  Device *device; // None if it is page-locked memory of the host.
  State state;
  unsigned copies = 0; // Of page-locked memory, those that are not done yet.
};

// What runs at the moment, for messages and checks.
struct Running {
  std::string what = "a call";
  Device *device = nullptr;
};

inline std::mutex state; // Guards what follows, and is held for moments.
inline std::map<uint64_t, Memory> memory;
inline std::set<Stream *> streams;
inline std::set<Event *> events;
inline std::recursive_mutex turn; // Held by whoever does the work of streams.
inline thread_local Running running;
inline std::mt19937_64 chance(setting("CUDA_STAND_IN_SEED", 0));
inline std::map<std::string, std::pair<size_t, double>> tally; // Tasks that were done and their seconds, by name.

[[noreturn]] __attribute__((format(printf, 1, 2))) inline void wrong(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "\nCUDA stand-in: %s: ", running.what.c_str());
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  abort();
}

#define EXPECT(condition, ...) ((condition) ? (void)0 : machine::wrong(__VA_ARGS__))

// Pages for `size` bytes that end in front of one that is never opened.
inline char *pages(size_t size) {
  const size_t all = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, opened = (all + PAGE - 1) / PAGE * PAGE;
  void *begin = mmap(nullptr, opened + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  EXPECT(begin != MAP_FAILED, "no memory for %zu bytes on this machine", size);
  return static_cast<char *>(begin) + opened - all;
}

inline void protect(const Memory &of, int how) {
  char *begin = of.data - reinterpret_cast<uintptr_t>(of.data) % PAGE;
  const size_t size = (of.data + of.size - begin + PAGE - 1) / PAGE * PAGE;
  EXPECT(mprotect(begin, size, how) == 0, "mprotect failed");
}

inline void open_and_unset(Memory &of) {
  protect(of, PROT_READ | PROT_WRITE);
  wmemset(reinterpret_cast<wchar_t *>(of.data), UNSET, (of.size + sizeof(wchar_t) - 1) / sizeof(wchar_t));
  of.state = LIVE;
}

// Closes the pages and gives back what they hold. Their addresses are not used again.
inline void close(Memory &of) {
  protect(of, PROT_NONE);
  madvise(of.data - reinterpret_cast<uintptr_t>(of.data) % PAGE, of.size, MADV_DONTNEED);
  of.state = FREED;
}

// The memory that has this address; `state` is held.
inline std::pair<const uint64_t, Memory> *find(uint64_t address) {
  auto next = memory.upper_bound(address);
  if (next == memory.begin()) return nullptr;
  auto &found = *--next;
  return address < found.first + std::max<size_t>(found.second.size, 1) ? &found : nullptr;
}

// `bytes` at an address of the device that a task runs on.
inline char *on_device(uint64_t address, size_t bytes, size_t alignment) {
  std::lock_guard lock(state);
  auto *found = find(address);
  EXPECT(found && found->second.device, "%#lx is no memory of a device", address);
  const auto &[begin, of] = *found;
  EXPECT(of.device == running.device, "%#lx is memory of device %d", address, of.device->index);
  EXPECT(of.state == LIVE, "%#lx is memory that %s", address, of.state == FREED ? "was freed" : "is not there yet");
  EXPECT(address + bytes <= begin + of.size, "%zu bytes from %#lx on, where memory has %zu", bytes, address,
         begin + of.size - address);
  EXPECT(address % alignment == 0, "%#lx is no multiple of %zu", address, alignment);
  return of.data + (address - begin);
}

// Does what was handed to a stream, up to the task of this number.
inline void work(Stream *stream, uint64_t number) {
  std::lock_guard only(turn);
  for (;;) {
    Task task;
    {
      std::lock_guard lock(state);
      if (stream->done >= number) return;
      task = std::move(stream->queue.front());
      stream->queue.pop_front();
    }
    const Running before = std::exchange(running, {task.what, stream->device});
    const auto start = std::chrono::steady_clock::now();
    task.work();
    running = before;
    std::lock_guard lock(state);
    auto &[n, seconds] = tally[task.what];
    n++;
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    stream->done++;
  }
}

inline uint64_t last(Stream *stream) {
  std::lock_guard lock(state);
  return stream->handed_in;
}

inline void hand_in(Stream *stream, std::string what, std::function<void()> task) {
  static const bool gets_on = getenv("CUDA_STAND_IN_SEED");
  uint64_t until = 0;
  {
    std::lock_guard lock(state);
    stream->queue.push_back({std::move(what), std::move(task)});
    stream->handed_in++;
    if (gets_on && chance() % 4 == 0) until = stream->done + chance() % (stream->handed_in - stream->done + 1);
  }
  if (until) work(stream, until);
}

// Memory of a device, from `stream` on if there is one; 0 if there is no more.
inline uint64_t allocate(Device *device, Stream *stream, size_t size) {
  static const size_t most = setting("CUDA_STAND_IN_MIB", 4096) << 20;
  uint64_t address;
  {
    std::lock_guard lock(state);
    if (device->in_use + size > most) return 0;
    device->most = std::max(device->most, device->in_use += size);
    char *data = pages(size);
    address = reinterpret_cast<uint64_t>(data) + FAR;
    memory[address] = {size, data, device, PROMISED};
  }
  const auto open = [address] {
    std::lock_guard lock(state);
    open_and_unset(memory[address]);
  };
  stream ? hand_in(stream, "allocation", open) : open();
  return address;
}

// Frees memory of a device, in the order of `stream` if there is one.
inline void release(Stream *stream, uint64_t address) {
  {
    std::lock_guard lock(state);
    auto found = memory.find(address);
    EXPECT(found != memory.end() && found->second.device, "%#lx is not the begin of a device's memory", address);
    EXPECT(!stream || stream->device == found->second.device, "memory of another device");
    found->second.device->in_use -= found->second.size;
  }
  const auto free = [address] {
    std::lock_guard lock(state);
    Memory &of = memory[address];
    EXPECT(of.state == LIVE, "%#lx is freed twice", address);
    close(of);
  };
  stream ? hand_in(stream, "release", free) : free();
}

// Page-locked memory that this range of the host belongs to, closed to the host as far as a copy needs it.
inline uint64_t begin_copy(const void *host, size_t bytes, bool is_read) {
  std::lock_guard lock(state);
  const auto address = reinterpret_cast<uint64_t>(host);
  auto *found = find(address);
  if (!found) return 0;
  auto &[begin, of] = *found;
  EXPECT(of.state == LIVE && address + bytes <= begin + of.size, "%zu bytes are beyond page-locked memory", bytes);
  of.copies++;
  protect(of, is_read ? PROT_READ : PROT_NONE);
  return begin;
}

inline void finish_copy(uint64_t begin, const std::function<void()> &copy) {
  std::lock_guard lock(state);
  Memory &of = memory[begin];
  protect(of, PROT_READ | PROT_WRITE);
  copy();
  if (--of.copies > 0) protect(of, PROT_NONE);
}

// A fault in memory that is known here has a reason that can be told.
inline void on_fault(int, siginfo_t *info, void *) {
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  for (const auto &[begin, of] : memory) {
    if (address < reinterpret_cast<uint64_t>(of.data) ||
        address >= reinterpret_cast<uint64_t>(of.data) + of.size + PAGE)
      continue;
    wrong(of.device ? "beyond memory, or in memory that was freed"
                    : "the host is at page-locked memory of %zu bytes, %s",
          of.size, of.state == FREED ? "which was freed" : "while a copy from it or to it is not done");
  }
  signal(SIGSEGV, SIG_DFL);
}

// Calls `f` for every number below `n`, on all processors, in an order that nobody should rely on.
inline void parallel(size_t n, const std::function<void(size_t)> &f) {
  struct Crew {
    std::mutex mutex;
    std::condition_variable begin, end;
    const std::function<void(size_t)> *f = nullptr;
    Running running;
    size_t n = 0, generation = 0, working = 0;
    std::atomic<size_t> next{0};
    void work() {
      // Of a prime step, unless it would come back too early.
      for (size_t i; (i = next++) < n;) (*f)(n % 7919 ? i * 7919 % n : n - 1 - i);
    }
  };
  static const unsigned others = std::max(1u, std::thread::hardware_concurrency()) - 1;
  static Crew &crew = *[] {
    Crew *crew = new Crew;
    for (unsigned i = 0; i < others; i++) {
      std::thread([crew] {
        for (size_t seen = 0;;) {
          std::unique_lock lock(crew->mutex);
          crew->begin.wait(lock, [&] { return crew->generation != seen; });
          seen = crew->generation;
          running = crew->running;
          lock.unlock();
          crew->work();
          lock.lock();
          if (--crew->working == 0) crew->end.notify_one();
        }
      }).detach();
    }
    return crew;
  }();
  std::unique_lock lock(crew.mutex);
  crew.f = &f;
  crew.running = running;
  crew.n = n;
  crew.next = 0;
  crew.working = others;
  crew.generation++;
  crew.begin.notify_all();
  lock.unlock();
  crew.work();
  lock.lock();
  crew.end.wait(lock, [] { return crew.working == 0; });
}

} // namespace machine
