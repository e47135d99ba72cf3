// Scaled dot-product attention. What its gradient wants back ("state") is the weights, or their log Σ exp where libtorch
// has a CPU kernel that never holds the weights.
#pragma once
#include <torch/csrc/api/include/torch/version.h>

#include "fused.h"

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
#define MEDALIGN_FLASH
#endif

namespace medalign {

/// Keys that no query may see can hold anything, NaN included.
static Tensor cleared(const Tensor& x, const Tensor& mask) {
  if (!mask.defined() || mask.size(1) != 1 || mask.size(2) != 1) return x;
  return at::where(mask.to(at::kBool).transpose(2, 3), x, at::zeros({}, x.options()));
}

#ifdef MEDALIGN_FLASH
/// libtorch's kernel wants one width for keys and values, and a key for every query.
static bool flashTakes(const Tensor& q, const Tensor& v, const Tensor& mask) {
  if (!ownLoops() || q.scalar_type() != at::kFloat || q.size(3) != v.size(3)) return false;
  return !mask.defined() || at::any(mask.to(at::kBool), -1).all().item<bool>();
}
/// 0 where a key may be seen, −∞ where not.
static c10::optional<Tensor> logMask(const Tensor& mask, const Tensor& like) {
  if (!mask.defined()) return {};
  return at::zeros(mask.sizes(), like.options()).masked_fill_(at::logical_not(mask.to(at::kBool)), -std::numeric_limits<double>::infinity());
}
#endif

OP(Attention) {
  const Tensor q = c.tensor(), k = c.tensor(), v = c.tensor(), mask = c.optional();
  const double scale = c.number(), rate = c.number();
  const auto key = static_cast<uint32_t>(c.number());
  const Tensor keys = cleared(k, mask), values = cleared(v, mask);
#ifdef MEDALIGN_FLASH
  if (rate == 0 && flashTakes(q, v, mask)) {
    const Tensor query = lowered(q);
    const auto [y, state] = at::_scaled_dot_product_flash_attention_for_cpu(query, lowered(keys), lowered(values), 0, false,
                                                                            logMask(mask, query), scale);
    c.put(raised(y).contiguous());
    return c.put(state.contiguous());
  }
#endif
  Tensor weights = at::mul(product(q, keys.transpose(-1, -2)), scale);
  if (mask.defined()) {
    const Tensor valid = mask.to(at::kBool);
    weights = at::where(valid, weights, at::full({}, -1e30, weights.options()));
    weights = at::where(valid, at::softmax(weights, -1), at::zeros({}, weights.options()));
  } else {
    weights = at::softmax(weights, -1);
  }
  c.put(product(rate == 0 ? weights : dropped(weights, rate, key), values));
  c.put(weights);
}
OP(AttentionGrad) {
  const Tensor dy = c.tensor(), q = c.tensor(), k = c.tensor(), v = c.tensor(), mask = c.optional();
  const Tensor output = c.tensor(), state = c.tensor();
  const double scale = c.number(), rate = c.number();
  const auto key = static_cast<uint32_t>(c.number());
  const Tensor keys = cleared(k, mask), values = cleared(v, mask);
#ifdef MEDALIGN_FLASH
  if (state.dim() == 3) {
    const Tensor query = lowered(q);
    const auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        lowered(dy), query, lowered(keys), lowered(values), lowered(output), state, 0, false, logMask(mask, query), scale);
    c.put(raised(dq).contiguous());
    c.put(raised(dk).contiguous());
    return c.put(raised(dv).contiguous());
  }
#endif
  const Tensor& weights = state;
  Tensor dWeights = product(dy, values.transpose(-1, -2));
  if (rate != 0) dWeights = dropped(dWeights, rate, key);
  const Tensor dLogits = at::mul(at::_softmax_backward_data(dWeights, weights, -1, at::kFloat), scale);
  c.put(product(dLogits, keys));
  c.put(product(dLogits.transpose(-1, -2), q));
  c.put(product((rate == 0 ? weights : dropped(weights, rate, key)).transpose(-1, -2), dy));
}

}  // namespace medalign
