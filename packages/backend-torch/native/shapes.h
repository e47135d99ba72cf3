#pragma once
#include "call.h"

namespace medalign {

OP(View) {
  const Tensor x = c.tensor();
  c.put(x.reshape(c.ints()));
}
OP(Transpose) {
  const Tensor x = c.tensor();
  c.put(x.permute(c.ints()));
}
/// A view holds all of the memory it looks into: a small part of a large tensor is copied instead.
static Tensor kept(const Tensor& part) {
  return 4 * part.nbytes() < part.storage().nbytes() ? part.clone(at::MemoryFormat::Contiguous) : part;
}

OP(Slice) {
  Tensor x = c.tensor();
  const Ints begin = c.ints(), size = c.ints();
  for (size_t i = 0; i < begin.size(); ++i) x = x.narrow(static_cast<int64_t>(i), begin[i], size[i]);
  c.put(kept(x));
}
/// Positive steps only.
OP(StridedSlice) {
  Tensor x = c.tensor();
  const Ints begin = c.ints(), end = c.ints(), step = c.ints();
  for (size_t i = 0; i < begin.size(); ++i) x = x.slice(static_cast<int64_t>(i), begin[i], end[i], step[i]);
  c.put(kept(x));
}
OP(Concat) {
  const auto parts = c.tensors();
  c.put(at::cat(parts, c.integer()));
}
OP(Pack) {
  const auto parts = c.tensors();
  c.put(at::stack(parts, c.integer()));
}
OP(Unpack) {
  const Tensor x = c.tensor();
  for (const auto& part : x.unbind(c.integer())) c.put(kept(part));
}
OP(SplitV) {
  const Tensor x = c.tensor();
  const Ints sizes = c.ints();
  for (const auto& part : x.split_with_sizes(sizes, c.integer())) c.put(kept(part));
}
/// A repetition of one value is a view.
OP(Tile) {
  const Tensor x = c.tensor();
  const Ints times = c.ints();
  Ints shape = x.sizes().vec();
  bool expands = true;
  for (size_t i = 0; i < times.size(); ++i) {
    expands = expands && (times[i] == 1 || (shape[i] == 1 && times[i] > 0));
    shape[i] *= times[i];
  }
  c.put(expands ? x.expand(shape) : x.repeat(times));
}
OP(PadV2) {
  const Tensor x = c.tensor();
  const Ints padding = c.ints();  // last axis first: before, after, …
  c.put(at::constant_pad_nd(x, padding, c.number()));
}
OP(MirrorPad) {
  Tensor x = c.tensor();
  const Ints before = c.ints(), after = c.ints();
  const int64_t edge = c.flag() ? 0 : 1;  // symmetric repeats the edge, reflect does not
  for (size_t axis = 0; axis < before.size(); ++axis) {
    if (before[axis] == 0 && after[axis] == 0) continue;
    const int64_t n = x.size(axis);
    std::vector<int64_t> from;
    for (int64_t i = -before[axis]; i < n + after[axis]; ++i)
      from.push_back(i < 0 ? -i - 1 + edge : i >= n ? 2 * n - 1 - i - edge : i);
    x = x.index_select(axis, at::tensor(from, at::kLong).to(device));
  }
  c.put(x);
}
OP(Reverse) {
  const Tensor x = c.tensor();
  c.put(at::flip(x, c.ints()));
}
OP(Fill) {
  const Ints shape = c.ints();
  const auto type = typeOf(c.integer());
  // One number is kept on the host, where it costs no upload and no copy back.
  c.put(at::full(shape, c.number(), at::TensorOptions(type).device(shape.empty() ? at::Device(at::kCPU) : device)));
}
OP(LinSpace) {
  const double start = c.number(), stop = c.number();
  c.put(at::linspace(start, stop, c.integer(), at::TensorOptions(at::kFloat).device(device)));
}
OP(OneHot) {
  const Tensor indices = c.tensor();
  const int64_t depth = c.integer();
  const double on = c.number(), off = c.number();
  const auto options = at::TensorOptions(typeOf(c.integer())).device(device);
  const Tensor hot = at::eq(indices.unsqueeze(-1), at::arange(depth, indices.options()));
  c.put(at::where(hot, at::full({}, on, options), at::full({}, off, options)));
}

/// libtorch refuses an index on the CPU without saying which axis it was for; on a GPU it ends the process.
static Tensor checked(const Tensor& indices, int64_t n) {
  const Tensor list = indices.reshape({-1}).to(at::kLong);
  if (list.device().is_cpu()) {
    const int64_t* values = list.data_ptr<int64_t>();
    for (int64_t i = 0; i < list.numel(); ++i)
      if (values[i] < 0 || values[i] >= n)
        throw std::runtime_error("GatherV2: the index value " + std::to_string(values[i]) + " is not in [0, " +
                                 std::to_string(n - 1) + "]");
  }
  return list;
}

/// x [outer, n, inner…], indices any shape: the rows of one axis.
OP(Gather) {
  const Tensor x = c.tensor(), indices = c.tensor();
  const int64_t axis = c.integer();
  c.put(x.index_select(axis, checked(indices, x.size(axis))));
}
/// x [batch, outer, n, inner], indices [batch, m] → [batch, outer, m, inner]
OP(BatchGather) {
  const Tensor x = c.tensor(), indices = c.tensor();
  const auto m = indices.size(1);
  const Tensor from = checked(indices, x.size(2)).view({x.size(0), 1, m, 1}).expand({x.size(0), x.size(1), m, x.size(3)});
  c.put(at::gather(x, 2, from));
}

/// Sums of rows by id; ids outside 0 … count − 1 are dropped.
static Tensor scatterRows(const Tensor& rows, const Tensor& ids, int64_t count) {
  const Tensor at = ids.reshape({-1}).to(at::kLong);
  const Tensor dropped = at::full({}, count, at.options());
  const Tensor to = at::where(at::logical_and(at::ge(at, 0), at::lt(at, count)), at, dropped);
  Ints shape = rows.sizes().vec();
  shape[0] = count + 1;
  return at::zeros(shape, rows.options()).index_add_(0, to, rows).narrow(0, 0, count);
}
OP(ScatterRows) {
  const Tensor rows = c.tensor(), ids = c.tensor();
  c.put(scatterRows(rows, ids, c.integer()));
}
/// Rows by id; ids outside 0 … n − 1 give a row of zeros.
OP(GatherRows) {
  const Tensor rows = c.tensor(), ids = c.tensor().to(at::kLong);
  const auto n = rows.size(0);
  const Tensor valid = at::logical_and(at::ge(ids, 0), at::lt(ids, n));
  if (n == 0) return c.put(at::zeros({ids.size(0), rows.size(1)}, rows.options()));
  const Tensor found = rows.index_select(0, at::where(valid, ids, at::zeros({}, ids.options())));
  c.put(at::where(valid.unsqueeze(1), found, at::zeros({}, rows.options())));
}

}  // namespace medalign
