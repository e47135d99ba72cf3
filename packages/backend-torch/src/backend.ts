import * as tf from '@tensorflow/tfjs-core';
import type { Call } from './call';
import { TorchData } from './data';
import { arrayOf, DTYPES, type NativeDType } from './native';

type Values = tf.backend_util.BackendValues;

/** tfjs's view of libtorch's tensors. */
export class TorchBackend extends tf.KernelBackend {
  constructor(readonly call: Call) {
    super();
  }

  #new(values: Values, shape: number[], dtype: tf.DataType): TorchData {
    this.call.live += 1;
    if (dtype === 'complex64') {
      const { real, imag } = tf.backend_util.splitRealAndImagArrays(values as Float32Array);
      const part = (numbers: Float32Array): tf.TensorInfo => ({
        dataId: this.#new(numbers, shape, 'float32'),
        shape,
        dtype: 'float32',
      });
      return new TorchData(-1, shape, dtype, undefined, undefined, { real: part(real), imag: part(imag) });
    }
    if (dtype === 'string') return new TorchData(-1, shape, dtype, values);
    if (shape.length === 0) {
      const value = Number((values as ArrayLike<number>)[0]);
      return new TorchData(-1, [], dtype as NativeDType, undefined, dtype === 'bool' ? Number(value !== 0) : value);
    }
    const known = [Float32Array, Int32Array, Uint8Array].some((type) => values instanceof type);
    const array = (known ? values : arrayOf(dtype as NativeDType, values as ArrayLike<number>)) as Float32Array;
    const { native, output } = this.call;
    for (const [axis, size] of shape.entries()) output[axis] = size;
    const slot = native.write(array, shape.length, DTYPES.indexOf(dtype as NativeDType));
    const data = new TorchData(slot, shape.slice(), dtype as NativeDType);
    data.compact = true;
    return data;
  }

  override write(values: Values, shape: number[], dtype: tf.DataType): tf.DataId {
    return this.#new(values, shape, dtype);
  }
  override move(dataId: tf.DataId, values: Values, shape: number[], dtype: tf.DataType, refCount: number): void {
    const data = this.#new(values, shape, dtype);
    data.refCount = refCount;
    this.call.adopt(dataId, data);
  }
  /** The same values once more, under another shape if one is given: counted, not copied. */
  shared({ dataId, shape, dtype }: tf.TensorInfo, as: number[] = shape): tf.TensorInfo {
    this.incRef(dataId);
    return { dataId, shape: as, dtype };
  }

  /** The same values with references of their own, which tfjs does not count: for parts of complex tensors. */
  alias(tensor: tf.TensorInfo): tf.TensorInfo {
    return this.call.begin().tensor(tensor).ints(tensor.shape).one(this.call.op('View'));
  }

  /** A complex tensor over two real ones, which it owns. */
  complex(real: tf.TensorInfo, imag: tf.TensorInfo): tf.TensorInfo {
    this.call.live += 1;
    const data = new TorchData(-1, real.shape, 'complex64', undefined, undefined, { real, imag });
    return { dataId: data, shape: real.shape, dtype: 'complex64' };
  }

  override readSync(dataId: tf.DataId): Values {
    const data = this.call.held(dataId);
    if (data.strings) return data.strings;
    if (data.parts) {
      const [real, imag] = [data.parts.real, data.parts.imag].map((part) => this.readSync(part.dataId));
      return tf.backend_util.mergeRealAndImagArrays(real as Float32Array, imag as Float32Array);
    }
    if (data.value !== undefined) return arrayOf(data.dtype as NativeDType, [data.value]);
    const values = arrayOf(data.dtype as NativeDType, tf.util.sizeFromShape(data.shape));
    this.call.native.read(data.slot, values);
    return values;
  }
  override async read(dataId: tf.DataId): Promise<Values> {
    const data = this.call.held(dataId);
    const { readAsync } = this.call.native;
    if (!readAsync || data.slot < 0) return this.readSync(dataId);
    return readAsync(data.slot, arrayOf(data.dtype as NativeDType, tf.util.sizeFromShape(data.shape)));
  }

  override refCount(dataId: tf.DataId): number {
    return this.#has(dataId) ? this.call.dataOf(dataId).refCount : 0;
  }
  override incRef(dataId: tf.DataId): void {
    this.call.dataOf(dataId).refCount += 1;
  }
  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#has(dataId)) return true;
    const data = this.call.dataOf(dataId);
    data.refCount -= 1;
    if (!force && data.refCount > 0) return false;
    if (data.freed) return true;
    data.freed = true;
    this.call.live -= 1;
    this.call.release(data);
    for (const part of Object.values(data.parts ?? {})) this.disposeData(part.dataId);
    return true;
  }
  #has(dataId: tf.DataId): boolean {
    return this.call.holds(dataId);
  }
  override numDataIds(): number {
    return this.call.live;
  }

  override memory() {
    this.call.native.state();
    const [, numBytesInNative] = this.call.output;
    return { unreliable: false, numBytesInNative } as unknown as ReturnType<tf.KernelBackend['memory']>;
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override timerAvailable(): boolean {
    return true;
  }
  override async time(query: () => void): Promise<tf.BackendTimingInfo> {
    const start = performance.now();
    query();
    return { kernelMs: performance.now() - start } as tf.BackendTimingInfo;
  }
  override dispose(): void {}
}
