import * as tf from '@tensorflow/tfjs-core';
import { DTYPES } from '../native';
import type { Define } from './types';

const { parseAxisParam, sizeFromShape, inferFromImplicitShape } = tf.util;

/** What a typed array would hold: whole numbers wrap, NaN is 0. */
const stored = (value: number, dtype: tf.DataType) => (dtype === 'int32' ? value | 0 : value);

/** What moves values without computing. */
export const shapes: Define = (call) => {
  const op = (name: string) => call.op(name);
  const [transpose, slice, stridedSlice, concat, pack, unpack, split, tile, pad, mirror, reverse] = [
    op('Transpose'),
    op('Slice'),
    op('StridedSlice'),
    op('Concat'),
    op('Pack'),
    op('Unpack'),
    op('SplitV'),
    op('Tile'),
    op('PadV2'),
    op('MirrorPad'),
    op('Reverse'),
  ];
  const [fill, linSpace, oneHot, gather, batchGather, scatterRows] = [
    op('Fill'),
    op('LinSpace'),
    op('OneHot'),
    op('Gather'),
    op('BatchGather'),
    op('ScatterRows'),
  ];
  const sliced = (x: tf.TensorInfo, begin: number[], size: number[]) =>
    call.begin().tensor(x).ints(begin).ints(size).one(slice);
  return {
    Identity: ({ inputs: { x }, backend }) => backend.shared(x!),
    Reshape: ({ inputs: { x }, attrs: { shape }, backend }) => {
      const size = sizeFromShape(x!.shape);
      const wanted = inferFromImplicitShape(shape, size);
      tf.util.assert(
        size === sizeFromShape(wanted),
        () => `reshape: expected a shape of ${size} values for [${x!.shape}], got [${wanted}]`,
      );
      return backend.shared(x!, wanted);
    },
    ExpandDims: ({ inputs: { input }, attrs: { dim }, backend }) => {
      const shape = input!.shape.slice();
      tf.util.assert(
        -shape.length - 1 <= dim && dim <= shape.length,
        () => `expandDims: axis: expected a number from ${-shape.length - 1} to ${shape.length}, got ${dim}`,
      );
      shape.splice(dim < 0 ? dim + shape.length + 1 : dim, 0, 1);
      return backend.shared(input!, shape);
    },
    Transpose: ({ inputs: { x }, attrs: { perm } }) => call.begin().tensor(x!).ints(perm).one(transpose),
    Slice: ({ inputs: { x }, attrs: { begin, size } }) => {
      const [from, sizes] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
      tf.slice_util.assertParamsValid(x as tf.Tensor, from!, sizes!);
      return sliced(x!, from!, sizes!);
    },
    StridedSlice: ({ inputs: { x }, attrs, backend }) => {
      const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs;
      const info = tf.slice_util.sliceInfo(
        x!.shape,
        begin,
        end,
        strides,
        beginMask,
        endMask,
        ellipsisMask,
        newAxisMask,
        shrinkAxisMask,
      );
      if (info.isIdentity) return backend.shared(x!, info.finalShape);
      if (info.strides.some((stride) => stride < 1)) return undefined;
      const y = call.begin().tensor(x!).ints(info.begin).ints(info.end).ints(info.strides).one(stridedSlice);
      return { ...y, shape: info.finalShape };
    },
    Concat: ({ inputs, attrs: { axis } }) => {
      const parts = inputs as unknown as tf.TensorInfo[];
      const [only] = parseAxisParam(axis, parts[0]!.shape);
      const all = parts.map(({ shape }) => shape);
      tf.backend_util.assertParamsConsistent(all, only!);
      const filled = parts.filter(({ shape }) => sizeFromShape(shape) > 0);
      return call
        .begin()
        .tensors(filled.length ? filled : parts)
        .number(only!)
        .one(concat);
    },
    Pack: ({ inputs, attrs: { axis } }) => {
      const parts = inputs as unknown as tf.TensorInfo[];
      for (const { shape, dtype } of parts) {
        tf.util.assertShapesMatch(shape, parts[0]!.shape, 'All tensors passed to stack must have matching shapes');
        tf.util.assert(
          dtype === parts[0]!.dtype,
          () => `stack: expected tensors of one dtype, got ${parts[0]!.dtype} and ${dtype}`,
        );
      }
      return call
        .begin()
        .tensors(parts)
        .number(axis < 0 ? axis + parts[0]!.shape.length + 1 : axis)
        .one(pack);
    },
    Unpack: ({ inputs: { value }, attrs: { axis } }) =>
      call
        .begin()
        .tensor(value!)
        .number(axis < 0 ? axis + value!.shape.length : axis)
        .run(unpack),
    SplitV: ({ inputs: { x }, attrs: { numOrSizeSplits, axis } }) => {
      const [only] = parseAxisParam(axis, x!.shape);
      const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, only);
      return call.begin().tensor(x!).ints(sizes).number(only!).run(split);
    },
    Tile: ({ inputs: { x }, attrs: { reps } }) => call.begin().tensor(x!).ints(reps).one(tile),
    PadV2: ({ inputs: { x }, attrs: { paddings, constantValue } }) => {
      const lastFirst = (paddings as [number, number][]).slice().reverse().flat();
      return call.begin().tensor(x!).ints(lastFirst).number(stored(constantValue, x!.dtype)).one(pad);
    },
    MirrorPad: ({ inputs: { x }, attrs: { paddings, mode } }) => {
      const both = paddings as [number, number][];
      return call
        .begin()
        .tensor(x!)
        .ints(both.map(([before]) => before))
        .ints(both.map(([, after]) => after))
        .flag(mode === 'symmetric')
        .one(mirror);
    },
    Reverse: ({ inputs: { x }, attrs: { dims } }) =>
      call.begin().tensor(x!).ints(parseAxisParam(dims, x!.shape)).one(reverse),

    Fill: ({ attrs: { shape, value, dtype } }) => {
      const code = DTYPES.indexOf(dtype ?? tf.util.inferDtype(value));
      return code < 0
        ? undefined
        : call
            .begin()
            .ints(shape)
            .number(code)
            .number(stored(Number(value), DTYPES[code]!))
            .one(fill);
    },
    LinSpace: ({ attrs: { start, stop, num } }) => call.begin().number(start).number(stop).number(num).one(linSpace),
    OneHot: ({ inputs: { indices }, attrs: { depth, onValue, offValue, dtype } }) =>
      call
        .begin()
        .tensor(indices!)
        .number(depth)
        .number(stored(onValue, dtype ?? 'int32'))
        .number(stored(offValue, dtype ?? 'int32'))
        .number(DTYPES.indexOf(dtype ?? 'int32'))
        .one(oneHot),

    GatherV2: ({ inputs: { x, indices }, attrs: { axis, batchDims } }) => {
      const [only] = parseAxisParam(axis, x!.shape);
      const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        only!,
        batchDims ?? 0,
      );
      const { batchSize, outerSize, dimSize, sliceSize, outputShape } = info;
      const found =
        batchSize === 1
          ? call.begin().tensor(x!, [outerSize, dimSize, sliceSize]).tensor(indices!).number(1).one(gather)
          : call
              .begin()
              .tensor(x!, [batchSize, outerSize, dimSize, sliceSize])
              .tensor(indices!, [batchSize, sizeFromShape(indices!.shape) / batchSize])
              .one(batchGather);
      return { ...found, shape: outputShape };
    },
    UnsortedSegmentSum: ({ inputs: { x, segmentIds }, attrs: { numSegments } }) =>
      call.begin().tensor(x!).tensor(segmentIds!).number(numSegments).one(scatterRows),
  };
};
