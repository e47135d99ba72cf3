// The kernels of @medalign/ops: what composes of many tfjs kernels, in one call.
#pragma once
#include <ATen/Parallel.h>

#include "linear.h"

namespace medalign {

OP(LayerNorm) {
  const Tensor x = c.tensor(), scale = c.tensor(), offset = c.tensor();
  const auto [y, mean, rstd] = at::native_layer_norm(x, scale.sizes(), scale, offset, c.number());
  c.put(y);
  c.put(mean);
  c.put(rstd);
}
OP(LayerNormGrad) {
  const Tensor dy = c.tensor(), x = c.tensor(), scale = c.tensor(), mean = c.tensor(), rstd = c.tensor();
  const Tensor bias = at::empty_like(scale);
  const auto [dx, dScale, dOffset] =
      at::native_layer_norm_backward(dy.contiguous(), x.contiguous(), scale.sizes(), mean, rstd, scale, bias, {true, true, true});
  c.put(dx);
  c.put(dScale);
  c.put(dOffset);
}

static const char* geluForm(bool tanh) { return tanh ? "tanh" : "none"; }
OP(Gelu) {
  const Tensor x = c.tensor();
  c.put(at::gelu(x, geluForm(c.flag())));
}
OP(GeluGrad) {
  const Tensor dy = c.tensor(), x = c.tensor();
  c.put(at::gelu_backward(dy, x, geluForm(c.flag())));
}

OP(SoftmaxCrossEntropy) {
  const Tensor logits = c.tensor(), labels = c.tensor();
  const Tensor log = at::log_softmax(logits, -1);
  // a class of share 0 costs nothing, even where its logit is −∞
  const Tensor costs = at::where(at::eq(labels, 0), at::zeros({}, log.options()), at::mul(labels, log));
  c.put(at::neg(at::sum(costs, {-1})));
  c.put(at::exp(log));
}

/// The counter-based stream of @medalign/ops: value i is mix(mix(i) + key).
static inline uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}
/// The same in int64 arithmetic, for devices without our own kernels.
static Tensor mixed(Tensor x) {
  const auto low = [](const Tensor& t) { return at::bitwise_and(t, int64_t{0xffffffff}); };
  const auto folded = [](const Tensor& t, int64_t bits) { return at::bitwise_xor(t, at::bitwise_right_shift(t, bits)); };
  // 32 × 32 bits overflow int64, whose low 32 bits are right all the same
  x = low(at::mul(folded(x, 16), int64_t{0x7feb352d}));
  x = low(at::mul(folded(x, 15), int64_t{0x846ca68b}));
  return folded(x, 16);
}
/// Zeros at random places, the others over 1 − rate. A place is dropped by its index and the key alone.
static Tensor dropped(const Tensor& given, double rate, uint32_t key) {
  const Tensor x = given.contiguous();
  const double threshold = rate * 4294967296.0;
  const auto kept = static_cast<float>(1 / (1 - rate));
  if (ownLoops()) {
    const Tensor y = at::empty_like(x);
    const float* from = x.data_ptr<float>();
    float* to = y.data_ptr<float>();
    at::parallel_for(0, x.numel(), 16384, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        to[i] = from[i] * (mix(mix(static_cast<uint32_t>(i)) + key) >= threshold ? kept : 0);
    });
    return y;
  }
  const Tensor index = at::arange(x.numel(), x.options().dtype(at::kLong)).view(x.sizes());
  const Tensor value = mixed(at::bitwise_and(at::add(mixed(index), static_cast<int64_t>(key)), int64_t{0xffffffff}));
  return at::mul(x, at::mul(at::ge(value, threshold).to(at::kFloat), kept));
}
OP(Dropout) {
  const Tensor x = c.tensor();
  const double rate = c.number();
  c.put(dropped(x, rate, static_cast<uint32_t>(c.number())));
}

}  // namespace medalign
