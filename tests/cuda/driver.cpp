// A stand-in for CUDA's driver, cuBLAS and cuRAND, with which `--features cuda` runs on a machine that has none of them
// (.ci/check-cuda-host): as much of each as semcov, candle and cudarc call, checked as strictly as their documentation
// allows. Everything else that the program is linked to ends it, with the name of what it called (`absent.cpp`, which
// the script writes).
//
// CUDA_STAND_IN_DEVICES says how many there are (2), CUDA_STAND_IN_MIB what each has (4096), CUDA_STAND_IN_POOLS=0 that
// they have no memory pools, and CUDA_STAND_IN_SEED how streams get on (`machine.h`).
#include "kernels.h"

using namespace machine;

enum Result {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  NOT_FOUND = 500,
  NOT_READY = 600
};

// What a module has of a kernel.
struct Function {
  std::string name;
  const kernels::Kernel *kernel;
};

struct Module {
  Device *device;
  std::string text;
};

// A handle of cuBLAS or of cuRAND.
struct Handle {
  Device *device;
  Stream *stream = nullptr;
};

static std::vector<Device> &devices() {
  static std::vector<Device> all = [] {
    std::vector<Device> all;
    for (size_t i = 0; i < setting("CUDA_STAND_IN_DEVICES", 2); i++) all.push_back({int(i)});
    return all;
  }();
  return all;
}

static thread_local Device *current;
static size_t strangers; // Frees under the context of another device, or under none.

// The context of the thread, which the driver demands for most calls, and for those of a stream that it is the
// stream's.
static Device *context(const char *call) {
  running = {call, current};
  EXPECT(current, "no context is current on this thread");
  EXPECT(current->retained > 0, "the context was released");
  return current;
}

static Stream *known(const char *call, Stream *stream) {
  Device *device = context(call);
  std::lock_guard lock(state);
  EXPECT(streams.count(stream), "a stream that there is not; semcov has one of its own for each device");
  EXPECT(stream->device == device, "a stream of device %d, while device %d is current", stream->device->index,
         device->index);
  return stream;
}

static Event known(const char *call, Event *event) {
  running = {call, current};
  std::lock_guard lock(state);
  EXPECT(events.count(event), "an event that there is not");
  return *event;
}

// What is left at the end; memory that is left is an error.
__attribute__((destructor)) static void report() {
  size_t tasks = 0, waiting = 0, left = 0, bytes = 0, most = 0;
  for (const auto &[name, done] : tally) tasks += done.first;
  for (const Stream *stream : streams) waiting += stream->queue.size();
  for (const auto &[address, of] : memory) {
    left += of.state != FREED;
    bytes += of.state != FREED ? of.size : 0;
  }
  for (const Device &device : devices()) most = std::max(most, device.most);
  if (tasks == 0) return;
  fprintf(stderr,
          "CUDA stand-in: %zu tasks done, %zu not; at most %zu MiB of a device, %zu of %zu blocks left (%zu kiB), "
          "%zu freed elsewhere\n",
          tasks, waiting, most >> 20, left, memory.size(), bytes >> 10, strangers);
  if (getenv("CUDA_STAND_IN_TALLY")) {
    for (const auto &[name, done] : tally)
      fprintf(stderr, "%8zu %-30s %8.2f s\n", done.first, name.c_str(), done.second);
  }
  if (left > 0) _exit(1);
}

extern "C" {

// --- Devices and contexts ---

Result cuInit(unsigned flags) {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO; // Not on the stack that Rust keeps for signals, which is too small to print from.
    sigaction(SIGSEGV, &action, nullptr);
  });
  return flags == 0 ? SUCCESS : INVALID_VALUE;
}

Result cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && size_t(ordinal) < devices().size() ? SUCCESS : INVALID_DEVICE;
}

Result cuDeviceGetAttribute(int *value, int attribute, int) {
  EXPECT(attribute == 115, "attribute %d of a device", attribute); // Whether it has memory pools.
  *value = setting("CUDA_STAND_IN_POOLS", 1) != 0;
  return SUCCESS;
}

Result cuDevicePrimaryCtxRetain(Device **out, int device) {
  std::lock_guard lock(state);
  *out = &devices().at(device);
  (*out)->retained++;
  return SUCCESS;
}

Result cuDevicePrimaryCtxRelease_v2(int device) {
  std::lock_guard lock(state);
  Device &of = devices().at(device);
  EXPECT(of.retained > 0, "a context is released once more than it was retained");
  if (--of.retained > 0) return SUCCESS;
  for (const Stream *stream : streams) EXPECT(stream->device != &of, "a context is released before its streams");
  for (const auto &[address, block] : memory)
    EXPECT(block.device != &of || block.state == FREED, "%zu bytes are left", block.size);
  return SUCCESS;
}

Result cuCtxGetCurrent(Device **out) {
  *out = current;
  return SUCCESS;
}

Result cuCtxSetCurrent(Device *device) {
  EXPECT(!device || device->retained > 0, "a context that was released is made current");
  current = device;
  return SUCCESS;
}

Result cuCtxSynchronize() {
  const Device *device = context("cuCtxSynchronize");
  std::vector<Stream *> all;
  {
    std::lock_guard lock(state);
    std::copy_if(streams.begin(), streams.end(), std::back_inserter(all),
                 [&](Stream *s) { return s->device == device; });
  }
  for (Stream *stream : all) work(stream, last(stream));
  return SUCCESS;
}

Result cuGetErrorString(Result error, const char **text) {
  static const std::map<int, const char *> texts = {
      {INVALID_VALUE, "invalid value"},           {OUT_OF_MEMORY, "out of memory"},
      {INVALID_DEVICE, "invalid device ordinal"}, {NOT_FOUND, "named symbol not found"},
      {INVALID_CONTEXT, "invalid context"},       {NOT_READY, "not ready"}};
  *text = texts.count(error) ? texts.at(error) : "no error";
  return SUCCESS;
}

// --- Streams and events ---

Result cuStreamCreate(Stream **out, unsigned) {
  Device *device = context("cuStreamCreate");
  std::lock_guard lock(state);
  streams.insert(*out = new Stream{device, {}});
  return SUCCESS;
}

Result cuStreamDestroy_v2(Stream *stream) {
  work(known("cuStreamDestroy", stream), last(stream));
  std::lock_guard lock(state);
  streams.erase(stream);
  return SUCCESS;
}

Result cuStreamSynchronize(Stream *stream) {
  work(known("cuStreamSynchronize", stream), last(stream));
  return SUCCESS;
}

Result cuStreamWaitEvent(Stream *stream, Event *event, unsigned) {
  const Event of = known("cuStreamWaitEvent", event);
  if (known("cuStreamWaitEvent", stream) == of.stream || !of.stream) return SUCCESS;
  hand_in(stream, "wait", [of] { work(of.stream, of.number); });
  return SUCCESS;
}

Result cuEventCreate(Event **out, unsigned) {
  Device *device = context("cuEventCreate");
  std::lock_guard lock(state);
  events.insert(*out = new Event{device});
  return SUCCESS;
}

Result cuEventDestroy_v2(Event *event) {
  known("cuEventDestroy", event);
  std::lock_guard lock(state);
  events.erase(event);
  delete event;
  return SUCCESS;
}

Result cuEventRecord(Event *event, Stream *stream) {
  known("cuEventRecord", stream);
  EXPECT(known("cuEventRecord", event).device == stream->device, "an event of another device");
  std::lock_guard lock(state);
  *event = {stream->device, stream, stream->handed_in};
  return SUCCESS;
}

Result cuEventSynchronize(Event *event) {
  const Event of = known("cuEventSynchronize", event);
  context("cuEventSynchronize");
  if (of.stream) work(of.stream, of.number);
  return SUCCESS;
}

// Every fifth query finds what it asks for done.
Result cuEventQuery(Event *event) {
  const Event of = known("cuEventQuery", event);
  static std::atomic<unsigned> queries{0};
  if (!of.stream) return SUCCESS;
  if (++queries % 5 == 0) work(of.stream, of.number);
  std::lock_guard lock(state);
  return of.stream->done >= of.number ? SUCCESS : NOT_READY;
}

// --- Memory ---

Result cuMemGetInfo_v2(size_t *free, size_t *total) {
  const Device *device = context("cuMemGetInfo");
  std::lock_guard lock(state);
  *total = setting("CUDA_STAND_IN_MIB", 4096) << 20;
  *free = *total - device->most; // What was freed stays in the pool.
  return SUCCESS;
}

Result cuDeviceGetDefaultMemPool(Device **pool, int device) {
  *pool = &devices().at(device);
  return SUCCESS;
}

Result cuMemPoolSetAttribute(Device *pool, int attribute, const uint64_t *value) {
  EXPECT(pool >= &devices().front() && pool <= &devices().back(), "a memory pool that there is not");
  EXPECT(attribute == 4 && *value == UINT64_MAX, "attribute %d is %lu", attribute, *value); // The release threshold.
  return SUCCESS;
}

Result cuMemAllocAsync(uint64_t *address, size_t size, Stream *stream) {
  Device *device = known("cuMemAllocAsync", stream)->device;
  EXPECT(size > 0, "no bytes");
  *address = allocate(device, stream, size);
  return *address ? SUCCESS : OUT_OF_MEMORY;
}

Result cuMemAlloc_v2(uint64_t *address, size_t size) {
  Device *device = context("cuMemAlloc");
  EXPECT(size > 0, "no bytes");
  *address = allocate(device, nullptr, size);
  return *address ? SUCCESS : OUT_OF_MEMORY;
}

// Whichever context is current, and on a thread without one: the stream says it all. cudarc relies on that.
Result cuMemFreeAsync(uint64_t address, Stream *stream) {
  running = {"cuMemFreeAsync", current};
  std::unique_lock lock(state);
  EXPECT(streams.count(stream), "a stream that there is not");
  strangers += current != stream->device;
  lock.unlock();
  if (address) release(stream, address);
  return SUCCESS;
}

// Waits for all work, as the driver does.
Result cuMemFree_v2(uint64_t address) {
  cuCtxSynchronize();
  if (address) release(nullptr, address);
  return SUCCESS;
}

Result cuMemHostAlloc(void **out, size_t size, unsigned) {
  context("cuMemHostAlloc");
  if (!size) return INVALID_VALUE;
  std::lock_guard lock(state);
  Memory of = {size, pages((size + PAGE - 1) / PAGE * PAGE), nullptr, PROMISED};
  open_and_unset(of);
  *out = of.data;
  memory[reinterpret_cast<uint64_t>(of.data)] = of;
  return SUCCESS;
}

Result cuMemFreeHost(void *host) {
  context("cuMemFreeHost");
  std::lock_guard lock(state);
  auto found = memory.find(reinterpret_cast<uint64_t>(host));
  EXPECT(found != memory.end() && found->second.state == LIVE, "no page-locked memory");
  EXPECT(found->second.copies == 0, "%u copies from it or to it are not done", found->second.copies);
  close(found->second);
  return SUCCESS;
}

// From page-locked memory when its turn comes; from other memory at once.
Result cuMemcpyHtoDAsync_v2(uint64_t to, const char *from, size_t bytes, Stream *stream) {
  known("cuMemcpyHtoDAsync", stream);
  if (const uint64_t locked = begin_copy(from, bytes, true)) {
    hand_in(stream, "copy from page-locked memory", [=] {
      char *data = on_device(to, bytes, 1);
      finish_copy(locked, [=] { memcpy(data, from, bytes); });
    });
  } else {
    hand_in(stream, "copy from memory", [=, copy = std::vector<char>(from, from + bytes)] {
      if (bytes) memcpy(on_device(to, bytes, 1), copy.data(), bytes);
    });
  }
  return SUCCESS;
}

// To page-locked memory when its turn comes; for other memory it waits.
Result cuMemcpyDtoHAsync_v2(char *to, uint64_t from, size_t bytes, Stream *stream) {
  known("cuMemcpyDtoHAsync", stream);
  if (const uint64_t locked = begin_copy(to, bytes, false)) {
    hand_in(stream, "copy to page-locked memory", [=] {
      const char *data = on_device(from, bytes, 1);
      finish_copy(locked, [=] { memcpy(to, data, bytes); });
    });
  } else {
    hand_in(stream, "copy to memory", [=] {
      if (bytes) memcpy(to, on_device(from, bytes, 1), bytes);
    });
    work(stream, last(stream));
  }
  return SUCCESS;
}

Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream *stream) {
  hand_in(known("cuMemcpyDtoDAsync", stream), "copy on a device", [=] {
    EXPECT(to + bytes <= from || from + bytes <= to, "source and destination overlap");
    if (bytes) memcpy(on_device(to, bytes, 1), on_device(from, bytes, 1), bytes);
  });
  return SUCCESS;
}

Result cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, Stream *stream) {
  hand_in(known("cuMemsetD8Async", stream), "memset", [=] {
    if (bytes) memset(on_device(to, bytes, 1), value, bytes);
  });
  return SUCCESS;
}

// --- Kernels ---

Result cuModuleLoadData(Module **out, const char *image) {
  *out = new Module{context("cuModuleLoadData"), image};
  EXPECT((*out)->text.find(".version") != std::string::npos, "no PTX");
  return SUCCESS;
}

Result cuModuleUnload(Module *module) {
  context("cuModuleUnload");
  delete module;
  return SUCCESS;
}

// The sizes of an entry's parameters, as PTX declares them: `.param .u64 name`, or `.param .align 2 .b8 name[2]`.
static std::vector<size_t> parameters(const std::string &text, size_t begin) {
  std::vector<size_t> sizes;
  const size_t end = text.find(')', begin);
  for (size_t at = begin; (at = text.find(".param", at)) < end; at++) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    const size_t bracket = line.find('[');
    size_t bits = 0;
    for (const char *type :
         {".u8", ".u16", ".u32", ".u64", ".s32", ".s64", ".f32", ".f64", ".b8", ".b16", ".b32", ".b64"}) {
      if (line.find(std::string(type) + " ") != std::string::npos) bits = atoi(type + 2);
    }
    sizes.push_back(bits / 8 * (bracket == std::string::npos ? 1 : atoi(line.c_str() + bracket + 1)));
  }
  return sizes;
}

Result cuModuleGetFunction(Function **out, Module *module, const char *name) {
  EXPECT(context("cuModuleGetFunction") == module->device, "a module of another device");
  static std::map<std::string, Function> functions;
  std::lock_guard lock(state);
  const size_t entry = module->text.find(std::string(".entry ") + name + "(");
  if (entry == std::string::npos) return NOT_FOUND;
  if (!functions.count(name)) {
    const auto kernel = kernels::all.find(name);
    EXPECT(kernel != kernels::all.end(), "the kernel %s, which the stand-in does not have", name);
    EXPECT(kernel->second.parameters == parameters(module->text, entry), "the kernel %s, of other parameters in PTX",
           name);
    functions[name] = {name, &kernel->second};
  }
  *out = &functions[name];
  return SUCCESS;
}

Result cuLaunchKernel(Function *function, unsigned x, unsigned y, unsigned z, unsigned threads_x, unsigned threads_y,
                      unsigned threads_z, unsigned shared, Stream *stream, void **arguments, void **extra) {
  known("cuLaunchKernel", stream);
  running.what = function->name;
  const size_t threads = (size_t)threads_x * threads_y * threads_z;
  EXPECT(x >= 1 && x <= INT32_MAX && y >= 1 && y <= 65535 && z == 1, "a grid of %u x %u x %u blocks", x, y, z);
  EXPECT(threads >= 1 && threads <= 1024 && threads_z == 1, "blocks of %zu threads", threads);
  EXPECT(shared == 0 && !extra, "%u bytes of shared memory", shared);
  hand_in(stream, function->name,
          [run = function->kernel->bind(arguments), x, y, threads] { run({x, y, unsigned(threads)}); });
  return SUCCESS;
}

// --- cuBLAS ---

int cublasCreate_v2(Handle **out) {
  *out = new Handle{context("cublasCreate")};
  return 0;
}

int cublasDestroy_v2(Handle *handle) {
  delete handle;
  return 0;
}

int cublasSetStream_v2(Handle *handle, Stream *stream) {
  handle->stream = known("cublasSetStream", stream);
  return 0;
}

int cublasGemmStridedBatchedEx(Handle *handle, int ta, int tb, int m, int n, int k, const float *alpha, uint64_t a,
                               int type_a, int lda, long long stride_a, uint64_t b, int type_b, int ldb,
                               long long stride_b, const float *beta, uint64_t c, int type_c, int ldc,
                               long long stride_c, int batch, int compute, int) {
  Stream *stream = known("cublasGemmStridedBatchedEx", handle->stream);
  EXPECT(type_a == type_b && type_b == type_c && (type_a == 0 || type_a == 2), "types %d, %d, %d", type_a, type_b,
         type_c);
  EXPECT(compute == 68, "sums of type %d", compute); // In f32.
  EXPECT((ta | tb) >> 1 == 0 && m > 0 && n > 0 && k > 0 && batch > 0, "%d x %d x %d, %d times", m, n, k, batch);
  EXPECT(lda >= (ta ? k : m) && ldb >= (tb ? n : k) && ldc >= m, "columns %d, %d, %d apart", lda, ldb, ldc);
  EXPECT(batch == 1 || (stride_a >= 0 && stride_b >= 0 && stride_c >= (long long)ldc * (n - 1) + m), "a stride");
  const auto multiply = [=, alpha = *alpha, beta = *beta](auto number) {
    using T = decltype(number);
    const auto at = [=](uint64_t address, size_t rows, size_t columns, size_t ld, size_t stride) {
      const size_t numbers = stride * (batch - 1) + ld * (columns - 1) + rows;
      return reinterpret_cast<T *>(on_device(address, numbers * sizeof(T), sizeof(T)));
    };
    const T *x = at(a, ta ? k : m, ta ? m : k, lda, stride_a), *y = at(b, tb ? n : k, tb ? k : n, ldb, stride_b);
    T *z = at(c, m, n, ldc, stride_c);
    for (int i = 0; i < batch; i++) {
      kernels::multiply<T>(ta, tb, m, n, k, alpha, x + i * stride_a, lda, y + i * stride_b, ldb, beta, z + i * stride_c,
                           ldc);
    }
  };
  hand_in(stream, "product", [=] { type_a == 2 ? multiply(kernels::f16()) : multiply(float()); });
  return 0;
}

// --- cuRAND: a generator is made, and never asked ---

int curandCreateGenerator(Handle **out, int) {
  *out = new Handle{context("curandCreateGenerator")};
  return 0;
}

int curandDestroyGenerator(Handle *generator) {
  delete generator;
  return 0;
}

int curandSetStream(Handle *generator, Stream *stream) {
  generator->stream = known("curandSetStream", stream);
  return 0;
}

int curandSetPseudoRandomGeneratorSeed(Handle *, unsigned long long) { return 0; }

// --- What kernels that candle compiles into the program register when it starts ---

void **__cudaRegisterFatBinary(void *) {
  static void *handle;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void **) {}
void __cudaUnregisterFatBinary(void **) {}
void __cudaRegisterFunction() {}
void __cudaRegisterVar() {}
}
