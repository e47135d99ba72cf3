// How JavaScript and C++ talk: numbers in one array, tensors as indices into a table, results in another array.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace medalign {

using at::Tensor;
using Ints = std::vector<int64_t>;

// Every thread of a program that loads the addon has an engine of its own.

/// Where tensors live; set once, before the first of them.
inline thread_local at::Device device{at::kCPU};

/// Tensors by index. An index that was freed is given out again.
class Slots {
 public:
  int put(Tensor tensor) {
    count(tensor);
    if (free_.empty()) {
      tensors_.push_back(std::move(tensor));
      return static_cast<int>(tensors_.size()) - 1;
    }
    const int slot = free_.back();
    free_.pop_back();
    tensors_[slot] = std::move(tensor);
    return slot;
  }

  const Tensor& get(int slot) const {
    if (slot < 0 || slot >= static_cast<int>(tensors_.size()) || !tensors_[slot].defined())
      throw std::runtime_error("a tensor that was disposed");
    return tensors_[slot];
  }

  void replace(int slot, Tensor tensor) {
    discount(get(slot));
    count(tensor);
    tensors_[slot] = std::move(tensor);
  }

  void remove(int slot) {
    discount(get(slot));
    tensors_[slot] = Tensor();
    free_.push_back(slot);
  }

  int64_t bytes() const { return bytes_; }
  int64_t size() const { return static_cast<int64_t>(tensors_.size() - free_.size()); }

 private:
  // Memory is counted once, however many tensors look at it.
  void count(const Tensor& tensor) {
    if (users_[tensor.storage().unsafeGetStorageImpl()]++ == 0) bytes_ += tensor.storage().nbytes();
  }
  void discount(const Tensor& tensor) {
    const auto found = users_.find(tensor.storage().unsafeGetStorageImpl());
    if (--found->second > 0) return;
    bytes_ -= tensor.storage().nbytes();
    users_.erase(found);
  }

  std::unordered_map<const void*, int> users_;
  std::vector<Tensor> tensors_;
  std::vector<int> free_;
  int64_t bytes_ = 0;
};

inline thread_local Slots slots;

/// Where there is a loop of ours it runs on the CPU; other devices, and MEDALIGN_TORCH_LOOPS=0, compose libtorch's operators.
inline bool ownLoops() {
  static const bool wanted = [] {
    const char* value = std::getenv("MEDALIGN_TORCH_LOOPS");
    return value == nullptr || std::strcmp(value, "0") != 0;
  }();
  return wanted && device.is_cpu();
}

/// A value that may have stayed on the host (rank 0), where the device's is needed.
inline Tensor onDevice(const Tensor& tensor) { return tensor.device() == device ? tensor : tensor.to(device); }

inline at::ScalarType typeOf(int64_t code) { return code == 0 ? at::kFloat : code == 1 ? at::kInt : at::kBool; }

// Instead of a slot: no tensor, or a rank-0 value that follows with its dtype.
static constexpr int NOTHING = -1, HOST_NUMBER = -2;

/// One kernel call: arguments are read in the order in which JavaScript wrote them, results written in order.
class Call {
 public:
  Call(const double* in, double* out, size_t capacity) : in_(in), out_(out), first_(out), end_(out + capacity) {}

  /// As it is: rank-0 values may be on the host, where arithmetic with device tensors takes them.
  Tensor scalarOrTensor() {
    const int slot = static_cast<int>(*in_++);
    if (slot != HOST_NUMBER) return slots.get(slot);
    const double value = *in_++;
    return at::scalar_tensor(value, at::TensorOptions(typeOf(integer())));
  }
  Tensor tensor() { return onDevice(scalarOrTensor()); }
  /// Undefined for NOTHING.
  Tensor optional() {
    if (*in_ != NOTHING) return tensor();
    ++in_;
    return Tensor();
  }
  int64_t integer() { return static_cast<int64_t>(*in_++); }
  double number() { return *in_++; }
  bool flag() { return *in_++ != 0; }
  Ints ints() {
    Ints list(static_cast<size_t>(*in_++));
    for (auto& value : list) value = static_cast<int64_t>(*in_++);
    return list;
  }
  std::vector<Tensor> tensors() {
    std::vector<Tensor> list(static_cast<size_t>(*in_++));
    for (auto& value : list) value = tensor();
    return list;
  }
  std::string text() {
    std::string characters(static_cast<size_t>(*in_++), ' ');
    for (auto& c : characters) c = static_cast<char>(*in_++);
    return characters;
  }

  /// float32, int32 or bool; other types are brought to one of them.
  void put(Tensor tensor) {
    switch (tensor.scalar_type()) {
      case at::kFloat:
      case at::kInt:
      case at::kBool:
        break;
      case at::kLong:
      case at::kShort:
      case at::kByte:
      case at::kChar:
        tensor = tensor.to(at::kInt);
        break;
      default:
        tensor = tensor.to(at::kFloat);
    }
    const auto type = tensor.scalar_type();
    const auto sizes = tensor.sizes().vec();
    if (out_ + 3 + sizes.size() > end_) throw std::runtime_error("more results than one call can return");
    *out_++ = slots.put(std::move(tensor));
    *out_++ = type == at::kFloat ? 0 : type == at::kInt ? 1 : 2;
    *out_++ = static_cast<double>(sizes.size());
    for (const auto size : sizes) *out_++ = static_cast<double>(size);
    ++count_;
  }

  int count() const { return count_; }

  /// Gives back what was put: the call has failed.
  void undo() {
    const double* at = first_;
    for (int i = 0; i < count_; ++i) {
      slots.remove(static_cast<int>(at[0]));
      at += 3 + static_cast<int>(at[2]);
    }
    count_ = 0;
  }

 private:
  const double* in_;
  double* out_;
  const double* first_;
  const double* end_;
  int count_ = 0;
};

using Op = void (*)(Call&);

inline std::map<std::string, Op>& ops() {
  static std::map<std::string, Op> all;
  return all;
}

struct Register {
  Register(const char* name, Op op) { ops()[name] = op; }
};

}  // namespace medalign

/// Defines a kernel and makes it known: OP(name) { c.put(…c.tensor()…); }
#define OP(name)                                        \
  static void op_##name(Call& c);                       \
  static const Register register_##name(#name, op_##name); \
  static void op_##name(Call& c)
