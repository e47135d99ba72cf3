import { areaKernel } from './area-kernel';
import { DataError, type Raster } from './types';

/** For each output pixel, the input pixels it covers and by how much. */
interface Spans {
  first: Int32Array;
  /** Weights `start[i]` to `start[i + 1]` are those of output pixel i, for the input pixels from `first[i]` on. */
  start: Int32Array;
  weights: Float32Array;
}

/** By area where the image shrinks, bilinear where it grows. */
function spans(from: number, to: number): Spans {
  const ratio = from / to;
  const first = new Int32Array(to);
  const start = new Int32Array(to + 1);
  const weights: number[] = [];
  for (let i = 0; i < to; i++) {
    if (ratio <= 1) {
      const at = Math.min(from - 1, Math.max(0, (i + 0.5) * ratio - 0.5));
      const low = Math.floor(at);
      first[i] = low;
      weights.push(1 - (at - low));
      if (low + 1 < from) weights.push(at - low);
    } else {
      const [left, right] = [i * ratio, Math.min(from, (i + 1) * ratio)];
      const low = Math.floor(left + 1e-9);
      const high = Math.min(from, Math.ceil(right - 1e-9));
      first[i] = low;
      for (let k = low; k < high; k++) {
        weights.push((Math.min(right, k + 1) - Math.max(left, k)) / (right - left));
      }
    }
    start[i + 1] = weights.length;
  }
  return { first, start, weights: Float32Array.from(weights) };
}

/** See kernel/area.wat. */
interface Kernel {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  joinBytes(from: number, length: number, weights: number, end: number, to: number): void;
  joinFloats: Kernel['joinBytes'];
  joinColumns(spans: number, end: number, weights: number, pixel: number, to: number): void;
}

let loaded: Kernel | undefined;

function kernel(): Kernel {
  if (!loaded) {
    // TypeScript knows WebAssembly only together with the names of a browser.
    const { Module, Instance } = (globalThis as never as { WebAssembly: WebAssemblyApi }).WebAssembly;
    loaded = new Instance(new Module(Uint8Array.from(atob(areaKernel), (c) => c.charCodeAt(0)))).exports;
  }
  return loaded;
}

interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: Kernel };
}

const PAGE = 65536;

/**
 * Resizes an image. Where it shrinks, each output pixel is the mean of the area it covers (no aliasing, no ringing);
 * where it grows, bilinear with half-pixel centres. Computed in 32-bit floats by a WebAssembly kernel.
 *
 * @returns `Float32Array` pixels in the units of the input (0…255 for 8-bit input, 0…1 for float).
 * @throws {DataError} if there are not `height · width · channels` values, or a side of the result is not a whole number.
 * @example
 * resizeArea({ data: Uint8Array.of(0, 100, 200, 40), width: 4, height: 1, channels: 1 }, 2, 1).data; // [50, 120]
 */
export function resizeArea(image: Raster, width: number, height: number): Raster & { data: Float32Array } {
  const { channels, data: pixels } = image;
  const stride = image.width * channels;
  if (pixels.length !== image.height * stride || pixels.length === 0) {
    const expected = `${image.height} × ${image.width} × ${channels} values`;
    throw new DataError(`resizeArea: image: expected ${expected}, at least one, got ${pixels.length}`);
  }
  if (!(Number.isInteger(width) && Number.isInteger(height) && width >= 1 && height >= 1)) {
    throw new DataError(`resizeArea: expected a whole width and height >= 1, got ${width} × ${height}`);
  }
  const rows = spans(image.height, height);
  const columns = spans(image.width, width);
  const bytes = pixels instanceof Uint8Array;
  const length = bytes ? stride : 4 * stride;

  // Where things are in the kernel's memory, each with room for whole vectors: only the rows of one span are there at once.
  let end = 0;
  const room = (size: number) => {
    const at = end;
    end += 64 * Math.ceil(size / 64);
    return at;
  };
  const rowWeights = room(4 * rows.weights.length);
  const columnWeights = room(4 * columns.weights.length);
  const table = room(8 * width);
  const joined = room(4 * stride);
  const result = room(4 * width * channels);
  let most = 0;
  for (let y = 0; y < height; y++) most = Math.max(most, rows.start[y + 1]! - rows.start[y]!);
  const input = room(length * most + 15);
  const { memory, joinBytes, joinFloats, joinColumns } = kernel();
  if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / PAGE));
  const floats = new Float32Array(memory.buffer);
  const integers = new Int32Array(memory.buffer, table);
  floats.set(rows.weights, rowWeights / 4);
  floats.set(columns.weights, columnWeights / 4);
  for (let x = 0; x < width; x++) {
    integers[2 * x] = joined + 4 * channels * columns.first[x]!;
    integers[2 * x + 1] = columnWeights + 4 * columns.start[x + 1]!;
  }
  const covered = bytes ? new Uint8Array(memory.buffer, input) : new Float32Array(memory.buffer, input);
  const line = floats.subarray(result / 4, result / 4 + width * channels);
  const join = bytes ? joinBytes : joinFloats;

  const data = new Float32Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const [from, to] = [rows.start[y]!, rows.start[y + 1]!];
    covered.set(pixels.subarray(rows.first[y]! * stride, (rows.first[y]! + to - from) * stride));
    join(input, length, rowWeights + 4 * from, rowWeights + 4 * to, joined);
    joinColumns(table, table + 8 * width, columnWeights, 4 * channels, result);
    data.set(line, y * width * channels);
  }
  return { data, width, height, channels };
}
