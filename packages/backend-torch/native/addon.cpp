// tfjs-core's kernels on libtorch, as a Node-API addon. JavaScript writes a call's arguments into `input`, calls
// `run(op)`, and reads the results from `output` (see call.h).
#include <malloc.h>
#include <node_api.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#ifndef _OPENMP
#error "compile with -fopenmp: without it libtorch's parallel loops run on one thread"
#endif

#include "call.h"
#include "element_wise.h"
#include "reductions.h"
#include "shapes.h"
#include "linear.h"
#include "convolution.h"
#include "fused.h"
#include "batch_norm.h"
#include "attention.h"
#include "optimiser.h"
#include "contrastive.h"
#include "normalize.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/csrc/api/include/torch/version.h>
#ifdef MEDALIGN_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <ATen/cuda/CUDAEvent.h>
#endif

namespace medalign {

static thread_local double* input = nullptr;
static thread_local double* output = nullptr;
static thread_local size_t capacity = 0;
static thread_local std::vector<Op> opTable;

/// Runs f; a C++ exception becomes a JavaScript error with its first line (libtorch adds a stack of its own to it).
template <typename F>
static napi_value guarded(napi_env env, F f) {
  try {
    const c10::InferenceMode mode;
    return f();
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    napi_throw_error(env, "MEDALIGN_TORCH", message.substr(0, message.find("\nException raised from")).c_str());
  } catch (const std::exception& error) {
    napi_throw_error(env, "MEDALIGN_TORCH", error.what());
  }
  return nullptr;
}

template <size_t N>
static void arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
}
static int integer(napi_env env, napi_value value) {
  int32_t result = -1;
  napi_get_value_int32(env, value, &result);
  return result;
}
static napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

struct Bytes {
  char* data;
  size_t length;
  napi_typedarray_type type;
};
static Bytes bytesOf(napi_env env, napi_value array) {
  Bytes bytes{};
  size_t offset;
  napi_value buffer;
  if (napi_get_typedarray_info(env, array, &bytes.type, &bytes.length, reinterpret_cast<void**>(&bytes.data), &buffer, &offset) != napi_ok)
    throw std::runtime_error("expected a typed array");
  return bytes;
}

/// start(device, input, output) → names of the kernels, in the order of their numbers
static napi_value start(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[3];
    arguments(env, info, args);
    char name[32];
    size_t length;
    napi_get_value_string_utf8(env, args[0], name, sizeof name, &length);
    device = at::Device(std::string(name, length));
    input = reinterpret_cast<double*>(bytesOf(env, args[1]).data);
    const Bytes results = bytesOf(env, args[2]);
    output = reinterpret_cast<double*>(results.data);
    capacity = results.length;
#ifdef __GLIBC__
    // Freed tensors are kept for the next: handed back to the system, each would be mapped and zeroed anew.
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
#endif
    at::zeros({1}, at::TensorOptions(device));  // a device that does not work says so here
    napi_value names;
    napi_create_array(env, &names);
    opTable.clear();
    for (const auto& [key, op] : ops()) {
      napi_value text;
      napi_create_string_utf8(env, key.c_str(), key.size(), &text);
      napi_set_element(env, names, opTable.size(), text);
      opTable.push_back(op);
    }
    return names;
  });
}

/// run(op) → number of results
static napi_value run(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[1];
    arguments(env, info, args);
    Call call(input, output, capacity);
    try {
      opTable[integer(env, args[0])](call);
    } catch (...) {
      call.undo();
      throw;
    }
    napi_value count;
    napi_create_int32(env, call.count(), &count);
    return count;
  });
}

/// write(typed array, rank, dtype): the shape is in `output` (arguments of a call may be waiting in `input`) → slot
static napi_value write(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[3];
    arguments(env, info, args);
    const Bytes bytes = bytesOf(env, args[0]);
    const int rank = integer(env, args[1]);
    const auto type = typeOf(integer(env, args[2]));
    const Ints shape(output, output + rank);
    int64_t wanted = 1;
    for (const auto size : shape) wanted *= size;
    if (wanted != static_cast<int64_t>(bytes.length))
      throw std::runtime_error(std::to_string(bytes.length) + " values for a shape of " + std::to_string(wanted));
    const auto given = bytes.type == napi_float32_array ? at::kFloat : bytes.type == napi_int32_array ? at::kInt : at::kByte;
    Tensor host = at::from_blob(bytes.data, shape, at::TensorOptions(given));
    // One copy: `to` makes it where the device is another, else `clone`.
    Tensor tensor = device.is_cpu() ? (given == type ? host.clone() : host.to(type)) : host.to(device).to(type);
    const int slot = slots.put(std::move(tensor));
    return number(env, slot);
  });
}

/// read(slot, typed array)
static napi_value read(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[2];
    arguments(env, info, args);
    const Bytes bytes = bytesOf(env, args[1]);
    const Tensor tensor = slots.get(integer(env, args[0]));
    Tensor host = at::from_blob(bytes.data, tensor.sizes(), at::TensorOptions(tensor.scalar_type()));
    host.copy_(tensor);
    return nullptr;
  });
}

static napi_value release(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[1];
    arguments(env, info, args);
    slots.remove(integer(env, args[0]));
    return nullptr;
  });
}

/// compact(slot): values in the order of their shape, so that another shape is a view
static napi_value compact(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[1];
    arguments(env, info, args);
    const int slot = integer(env, args[0]);
    if (!slots.get(slot).is_contiguous()) slots.replace(slot, slots.get(slot).contiguous());
    return nullptr;
  });
}

static napi_value setPrecision(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[1];
    arguments(env, info, args);
    precision = integer(env, args[0]);
    at::globalContext().setAllowTF32CuBLAS(precision > 0);
    at::globalContext().setAllowTF32CuDNN(precision > 0);
    return nullptr;
  });
}

/// setThreads(count): what the calling thread's kernels may use
static napi_value setThreads(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[1];
    arguments(env, info, args);
    at::set_num_threads(integer(env, args[0]));
    return nullptr;
  });
}

/// devices() → number of CUDA devices
static napi_value devices(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return number(env, at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0); });
}

/// state(): tensors, bytes, threads
static napi_value state(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    output[0] = static_cast<double>(slots.size());
    output[1] = static_cast<double>(slots.bytes());
    output[2] = at::get_num_threads();
    return nullptr;
  });
}

#ifdef MEDALIGN_CUDA
/// A copy to pinned memory that is on its way, and the promise that waits for it.
struct Transfer {
  Tensor host;
  at::cuda::CUDAEvent event;
  napi_deferred deferred;
  napi_async_work work;
  napi_ref target;
};
static void awaitTransfer(napi_env, void* data) { static_cast<Transfer*>(data)->event.synchronize(); }
static void finishTransfer(napi_env env, napi_status, void* data) {
  auto* transfer = static_cast<Transfer*>(data);
  napi_value array;
  napi_get_reference_value(env, transfer->target, &array);
  const Bytes bytes = bytesOf(env, array);
  std::memcpy(bytes.data, transfer->host.data_ptr(), transfer->host.nbytes());
  napi_resolve_deferred(env, transfer->deferred, array);
  napi_delete_reference(env, transfer->target);
  napi_delete_async_work(env, transfer->work);
  delete transfer;
}
/// readAsync(slot, typed array) → promise of the array; the program goes on while the device works
static napi_value readAsync(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    napi_value args[2];
    arguments(env, info, args);
    const Tensor tensor = slots.get(integer(env, args[0])).contiguous();
    auto* transfer = new Transfer();
    transfer->host = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(tensor.is_cuda()));
    transfer->host.copy_(tensor, /*non_blocking=*/true);
    transfer->event.record();
    napi_create_reference(env, args[1], 1, &transfer->target);
    napi_value promise, name;
    napi_create_promise(env, &transfer->deferred, &promise);
    napi_create_string_utf8(env, "medalign: read", NAPI_AUTO_LENGTH, &name);
    napi_create_async_work(env, nullptr, name, awaitTransfer, finishTransfer, transfer, &transfer->work);
    napi_queue_async_work(env, transfer->work);
    return promise;
  });
}
#endif

static napi_value init(napi_env env, napi_value exports) {
  const std::pair<const char*, napi_callback> functions[] = {
      {"start", start}, {"run", run}, {"write", write}, {"read", read}, {"release", release},
      {"compact", compact}, {"setPrecision", setPrecision}, {"setThreads", setThreads}, {"state", state}, {"devices", devices},
#ifdef MEDALIGN_CUDA
      {"readAsync", readAsync},
#endif
  };
  for (const auto& [name, callback] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  napi_value version;
  napi_create_string_utf8(env, TORCH_VERSION, NAPI_AUTO_LENGTH, &version);
  napi_set_named_property(env, exports, "version", version);
  return exports;
}

}  // namespace medalign

NAPI_MODULE_INIT() { return medalign::init(env, exports); }
