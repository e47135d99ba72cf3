// tfjs: images [b, h, w, c], filters [h, w, in, out]. libtorch: [b, c, h, w] and [out, in, h, w]. The same numbers in
// the same order are libtorch's "channels last", so images change names without being copied.
#pragma once
#include "linear.h"

namespace medalign {

static Tensor channelsFirst(const Tensor& x) { return x.permute({0, 3, 1, 2}); }
static Tensor channelsLast(const Tensor& x) { return x.permute({0, 2, 3, 1}).contiguous(); }

struct Window {
  Ints strides, dilations, padding;  // padding: top, bottom, left, right, and 1 if it is ours to add
  explicit Window(Call& c) : strides(c.ints()), dilations(c.ints()), padding(c.ints()) {}

  bool symmetric() const { return padding[4] == 0; }
  /// What libtorch pads itself: the same above and below, left and right.
  Ints own() const { return symmetric() ? Ints{padding[0], padding[2]} : Ints{0, 0}; }
  /// x [b, c, h, w] with whatever libtorch will not pad itself.
  Tensor padded(const Tensor& x, double value = 0) const {
    return symmetric() ? x : at::constant_pad_nd(x, {padding[2], padding[3], padding[0], padding[1]}, value);
  }
  Ints paddedSizes(const Ints& sizes) const {
    return symmetric() ? sizes
                       : Ints{sizes[0], sizes[1], sizes[2] + padding[0] + padding[1], sizes[3] + padding[2] + padding[3]};
  }
  /// The inverse of padded, for gradients.
  Tensor cropped(const Tensor& x, const Ints& sizes) const {
    return symmetric() ? x : x.narrow(2, padding[0], sizes[2]).narrow(3, padding[2], sizes[3]);
  }
};

/// A depthwise filter [h, w, in, multiplier] is one of `in` groups. The others become libtorch's "channels last" by
/// transposing one matrix: its own copy of such a view is many times slower.
static Tensor toFilter(const Tensor& filter, bool depthwise) {
  const int64_t h = filter.size(0), w = filter.size(1), in = filter.size(2), out = filter.size(3);
  if (depthwise) return filter.permute({2, 3, 0, 1}).reshape({-1, 1, h, w});
  return filter.reshape({h * w * in, out}).t().contiguous().view({out, h, w, in}).permute({0, 3, 1, 2});
}
/// The inverse: [out, in, h, w] → [h, w, in, out].
static Tensor fromFilter(const Tensor& kernel) {
  const int64_t out = kernel.size(0), in = kernel.size(1), h = kernel.size(2), w = kernel.size(3);
  return kernel.permute({0, 2, 3, 1}).reshape({out, h * w * in}).t().contiguous().view({h, w, in, out});
}

/// A convolution with one pixel is a product of matrices, which is several times faster as one.
struct Pointwise {
  Ints strides;
  bool possible;
  Pointwise(const Window& window, Ints filter, int64_t channels, bool depthwise) : strides(window.strides) {
    possible = !depthwise && filter[0] == 1 && filter[1] == 1 && filter[2] == channels && filter[3] > 0 &&
               window.padding == Ints{0, 0, 0, 0, window.padding[4]};
  }
  /// The pixels of x [b, h, w, c] that it reads.
  Tensor read(const Tensor& x) const {
    return x.slice(1, 0, c10::nullopt, strides[0]).slice(2, 0, c10::nullopt, strides[1]);
  }
};
static Tensor pixelRows(const Tensor& x) { return x.reshape({-1, x.size(3)}); }

OP(Conv2D) {
  const Tensor x = c.tensor(), filter = c.tensor();
  const bool depthwise = c.flag();
  const Window window(c);
  const Tensor bias = c.optional(), weights = c.optional();
  const int64_t activation = c.integer();
  const double slope = c.number();
  const Pointwise pointwise(window, filter.sizes().vec(), x.size(3), depthwise);
  Tensor y;
  if (pointwise.possible) {
    const Tensor input = pointwise.read(floats(x));
    y = product(pixelRows(input), floats(filter).reshape({x.size(3), -1}))
            .view({input.size(0), input.size(1), input.size(2), filter.size(3)});
  } else {
    const Tensor input = lowered(window.padded(channelsFirst(floats(x))));
    const Tensor kernel = lowered(toFilter(floats(filter), depthwise));
    const int64_t groups = depthwise ? x.size(3) : input.size(1) / kernel.size(1);
    y = raised(at::convolution(input, kernel, {}, window.strides, window.own(), window.dilations, false, {0, 0}, groups));
    y = y.permute({0, 2, 3, 1});
  }
  if (bias.defined()) y = at::add(y, bias);
  c.put(activated(y, activation, weights, slope).contiguous());
}

/// dy, filter and the shape of x → dx
OP(Conv2DBackpropInput) {
  const Tensor dy = c.tensor(), filter = c.tensor();
  const bool depthwise = c.flag();
  const Window window(c);
  const Ints shape = c.ints();
  const Pointwise pointwise(window, filter.sizes().vec(), shape[3], depthwise);
  if (pointwise.possible) {
    const Tensor rows = product(pixelRows(dy), filter.reshape({shape[3], -1}).t());
    if (window.strides == Ints{1, 1}) return c.put(rows.view(shape));
    const Tensor dx = at::zeros(shape, rows.options());
    const Tensor target = pointwise.read(dx);
    target.copy_(rows.view(target.sizes()));
    return c.put(dx);
  }
  const Ints sizes{shape[0], shape[3], shape[1], shape[2]};
  const Tensor kernel = lowered(toFilter(filter, depthwise));
  const Tensor grad = lowered(channelsFirst(dy));
  const int64_t groups = depthwise ? shape[3] : shape[3] / kernel.size(1);
  const Tensor x = at::empty(window.paddedSizes(sizes), grad.options(), at::MemoryFormat::ChannelsLast);
  const Tensor dx = std::get<0>(at::convolution_backward(grad, x, kernel, c10::nullopt, window.strides, window.own(),
                                                         window.dilations, false, {0, 0}, groups, {true, false, false}));
  c.put(channelsLast(window.cropped(raised(dx), sizes)));
}

/// x, dy and the shape of the filter → its gradient
OP(Conv2DBackpropFilter) {
  const Tensor x = c.tensor(), dy = c.tensor();
  const bool depthwise = c.flag();
  const Window window(c);
  const Ints shape = c.ints();  // h, w, in, out
  const Pointwise pointwise(window, shape, x.size(3), depthwise);
  if (pointwise.possible) return c.put(product(pixelRows(pointwise.read(x)).t(), pixelRows(dy)).view(shape));
  const Tensor input = lowered(window.padded(channelsFirst(x)));
  const Tensor grad = lowered(channelsFirst(dy));
  const int64_t groups = depthwise ? shape[2] : input.size(1) / shape[2];
  const Ints kernelShape = depthwise ? Ints{shape[2] * shape[3], 1, shape[0], shape[1]} : Ints{shape[3], shape[2], shape[0], shape[1]};
  const Tensor kernel = at::empty(kernelShape, grad.options());
  const Tensor df =
      raised(std::get<1>(at::convolution_backward(grad, input, kernel, c10::nullopt, window.strides, window.own(),
                                                  window.dilations, false, {0, 0}, groups, {false, true, false})));
  c.put(depthwise ? df.reshape({shape[2], shape[3], shape[0], shape[1]}).permute({2, 3, 0, 1}).contiguous()
                  : fromFilter(df));
}

// ── Pooling ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static constexpr double lowest = -std::numeric_limits<double>::infinity();

OP(MaxPool) {
  const Tensor x = channelsFirst(c.tensor());
  const Ints size = c.ints();
  const Window w(c);
  c.put(channelsLast(at::max_pool2d(w.padded(x, lowest), size, w.strides, w.own(), w.dilations)));
}
OP(MaxPoolGrad) {
  const Tensor dy = channelsFirst(c.tensor()), x = channelsFirst(c.tensor());
  const Ints size = c.ints();
  const Window w(c);
  const Tensor input = w.padded(x, lowest);
  const Tensor from = std::get<1>(at::max_pool2d_with_indices(input, size, w.strides, w.own(), w.dilations));
  const Tensor dx = at::max_pool2d_with_indices_backward(dy, input, size, w.strides, w.own(), w.dilations, false, from);
  c.put(channelsLast(w.cropped(dx, x.sizes().vec())));
}

/// How many pixels of the image each window holds, over the window's size: [1, 1, h, w].
static Tensor filled(const Tensor& x, const Ints& size, const Window& w) {
  return at::avg_pool2d(w.padded(at::ones({1, 1, x.size(2), x.size(3)}, x.options())), size, w.strides);
}
OP(AvgPool) {
  const Tensor x = channelsFirst(c.tensor());
  const Ints size = c.ints();
  const Window w(c);
  c.put(channelsLast(w.symmetric() ? at::avg_pool2d(x, size, w.strides, w.own(), false, false)
                                   : at::div(at::avg_pool2d(w.padded(x), size, w.strides), filled(x, size, w))));
}
OP(AvgPoolGrad) {
  const Tensor dy = channelsFirst(c.tensor()), x = channelsFirst(c.tensor());
  const Ints size = c.ints();
  const Window w(c);
  if (w.symmetric())
    return c.put(channelsLast(at::avg_pool2d_backward(dy, x, size, w.strides, w.own(), false, false, c10::nullopt)));
  const Tensor dx = at::avg_pool2d_backward(at::div(dy, filled(x, size, w)), w.padded(x), size, w.strides, {0, 0}, false,
                                            false, c10::nullopt);
  c.put(channelsLast(w.cropped(dx, x.sizes().vec())));
}

// ── Resizing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Where the rows (or columns) of a resized image come from.
struct Sources {
  Tensor low, high, share;
  Sources(int64_t from, int64_t to, bool corners, bool centers) {
    const double scale = corners && to > 1 ? double(from - 1) / double(to - 1) : double(from) / double(to);
    std::vector<int64_t> l, h;
    std::vector<float> s;
    for (int64_t i = 0; i < to; ++i) {
      const double at = centers ? scale * (i + 0.5) - 0.5 : scale * i;
      const double base = std::floor(at);
      l.push_back(std::max<int64_t>(0, static_cast<int64_t>(base)));
      h.push_back(std::min<int64_t>(from - 1, static_cast<int64_t>(std::ceil(at))));
      s.push_back(static_cast<float>(at - base));
    }
    low = at::tensor(l, at::kLong).to(device);
    high = at::tensor(h, at::kLong).to(device);
    share = at::tensor(s, at::kFloat).to(device);
  }
};

/// x resized along one axis.
static Tensor lerped(const Tensor& x, int64_t axis, const Sources& s) {
  Ints shape(x.dim(), 1);
  shape[axis] = s.share.size(0);
  const Tensor low = x.index_select(axis, s.low), high = x.index_select(axis, s.high);
  return at::add(low, at::mul(at::sub(high, low), s.share.view(shape)));
}
/// Its gradient.
static Tensor unlerped(const Tensor& dy, int64_t axis, int64_t from, const Sources& s) {
  Ints shape(dy.dim(), 1), out = dy.sizes().vec();
  shape[axis] = s.share.size(0);
  out[axis] = from;
  const Tensor share = s.share.view(shape), dx = at::zeros(out, dy.options());
  dx.index_add_(axis, s.high, at::mul(dy, share));
  return dx.index_add_(axis, s.low, at::mul(dy, at::rsub(share, 1)));
}

OP(ResizeBilinear) {
  const Tensor x = floats(c.tensor());
  const int64_t h = c.integer(), w = c.integer();
  const bool corners = c.flag(), centers = c.flag();
  const Sources rows(x.size(1), h, corners, centers), columns(x.size(2), w, corners, centers);
  c.put(lerped(lerped(x, 2, columns), 1, rows));
}
OP(ResizeBilinearGrad) {
  const Tensor dy = c.tensor();
  const int64_t h = c.integer(), w = c.integer();
  const bool corners = c.flag(), centers = c.flag();
  const Sources rows(h, dy.size(1), corners, centers), columns(w, dy.size(2), corners, centers);
  c.put(unlerped(unlerped(dy, 1, h, rows), 2, w, columns));
}

}  // namespace medalign
