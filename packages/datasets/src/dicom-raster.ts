import { type DicomImage, readDicom } from './dicom';
import type { LookupTable } from './dicom-header';
import { DataError, type DicomOptions, type Raster } from './types';

const scales = ['minMax', 'max', 'window', 'bits'] as const;
const clamp = (x: number) => Math.min(1, Math.max(0, x));
const lookUp = ({ first, values }: LookupTable, x: number) =>
  values[Math.min(values.length - 1, Math.max(0, Math.round(x) - first))]!;

/** The window functions of DICOM PS3.3 C.11.2.1. */
function windowed(name: string, center: number, width: number): (x: number) => number {
  if (!(width > 0)) throw new DataError(`window: expected a width > 0, got ${width}`);
  if (name === 'SIGMOID') return (x) => 1 / (1 + Math.exp((-4 * (x - center)) / width));
  if (name === 'LINEAR_EXACT') return (x) => clamp((x - center) / width + 0.5);
  // A linear window of width 1 is a threshold.
  return width <= 1 ? (x) => (x <= center - 0.5 ? 0 : 1) : (x) => clamp((x - (center - 0.5)) / (width - 1) + 0.5);
}

type GreyOptions = Pick<DicomOptions, 'scale' | 'window'> & { invert: boolean; depth: 8 | 32 };

/** Stored value → its value in the file's units: Hounsfield units, say. */
function rescale({ modalityTable, slope, intercept }: DicomImage): (stored: number) => number {
  return modalityTable ? (v) => lookUp(modalityTable, v) : (v) => slope * v + intercept;
}

/** The values that become 0 and 1. */
function ends(image: DicomImage, scale: DicomOptions['scale'], [least, most]: [number, number]): [number, number] {
  const { bitsStored, signed, modalityTable, data } = image;
  const value = rescale(image);
  let extremes = [value(least), value(most)];
  if (scale === 'bits') {
    const lowest = signed ? -(2 ** (bitsStored - 1)) : 0;
    extremes = modalityTable ? [0, 2 ** modalityTable.bits - 1] : [lowest, lowest + 2 ** bitsStored - 1].map(value);
  } else if (modalityTable) {
    // A table need not rise: look at every value.
    for (const stored of data)
      extremes = [Math.min(extremes[0]!, value(stored)), Math.max(extremes[1]!, value(stored))];
  }
  const [low, high] = [Math.min(...extremes), Math.max(...extremes)];
  return scale === 'max' ? [0, high] : [low, high];
}

/** Values in the file's units → 0…1. */
function scaling(
  image: DicomImage,
  { scale, window = 0 }: GreyOptions,
  range: [number, number],
): (x: number) => number {
  const { windows, windowTable } = image;
  if (scale !== 'window') {
    const [low, high] = ends(image, scale, range);
    return high > low ? (x) => clamp((x - low) / (high - low)) : () => 0;
  }
  if (typeof window === 'object') return windowed('LINEAR', window.center, window.width);
  const own = windows[window];
  if (own) return windowed(image.windowFunction, own.center, own.width);
  if (!windowTable || window !== 0) {
    throw new DataError(
      `window: the file has ${windows.length} windows, number ${window} was asked for. Fix: scale 'minMax', or a window of your own`,
    );
  }
  return (x) => lookUp(windowTable, x) / (2 ** windowTable.bits - 1);
}

function grey(image: DicomImage, options: GreyOptions): Raster {
  const { width, height, photometric, data: stored } = image;
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of stored) {
    if (v < least) least = v;
    if (v > most) most = v;
  }
  const value = rescale(image);
  const scaled = scaling(image, options, [least, most]);
  const inverted = options.invert && photometric === 'MONOCHROME1';
  const shown = (v: number) => {
    const x = scaled(value(v));
    const seen = inverted ? 1 - x : x;
    return options.depth === 8 ? Math.round(255 * seen) : seen;
  };
  const data = options.depth === 8 ? new Uint8Array(stored.length) : new Float32Array(stored.length);
  if (most - least < 2 ** 16) {
    // Far fewer values than pixels: work each out once.
    const table = Float32Array.from({ length: most - least + 1 }, (_, i) => shown(least + i));
    for (let i = 0; i < stored.length; i++) data[i] = table[stored[i]! - least]!;
  } else for (let i = 0; i < stored.length; i++) data[i] = shown(stored[i]!);
  return { data, width, height, channels: 1 };
}

/** Colour in 8 bits. YBR_FULL by the equations of DICOM PS3.3 C.7.6.3.1.2. */
function colour(image: DicomImage): Raster {
  const { width, height, palette, photometric, bitsStored, data: stored } = image;
  const pixels = width * height;
  const data = new Uint8ClampedArray(3 * pixels);
  if (palette) {
    for (let i = 0; i < pixels; i++) {
      palette.forEach((table, c) => {
        data[3 * i + c] = Math.floor(lookUp(table, stored[i]!) / 2 ** (table.bits - 8));
      });
    }
  } else {
    const full = 255 / (2 ** bitsStored - 1);
    for (let i = 0; i < 3 * pixels; i++) data[i] = stored[i]! * full;
    if (photometric.startsWith('YBR_FULL')) {
      for (let i = 0; i < 3 * pixels; i += 3) {
        const [y, blue, red] = [data[i]!, data[i + 1]! - 128, data[i + 2]! - 128];
        data[i] = y + 1.402 * red;
        data[i + 1] = y - 0.344136 * blue - 0.714136 * red;
        data[i + 2] = y + 1.772 * blue;
      }
    } else if (photometric !== 'RGB') {
      throw new DataError(
        `photometric interpretation ${photometric} is not supported; expected RGB, YBR_FULL or a palette`,
      );
    }
  }
  return { data: new Uint8Array(data.buffer), width, height, channels: 3 };
}

/**
 * Decodes a DICOM file to the pixels that `decodeImage` gives for any other: one frame, grey in 0…1 or colour in 0…255.
 *
 * Grey values go through rescale slope and intercept (or the modality table), are scaled to 0…1, and inverted if the
 * file is MONOCHROME1. Two conventions are common in published results, and differ: `{ scale: 'max', depth: 8 }` divides
 * by the maximum and inverts, and leaves the minimum in; `{ scale: 'minMax', invert: false }` subtracts the minimum and does
 * not invert. Say which one, and never mix them in one table.
 *
 * @param source a path, or the bytes of a file.
 * @param options `frame` 0, `scale` minMax, `invert` true, `depth` 32, `window` the file's first.
 * @throws {DataError} as `readDicom`; and if a window is asked for that the file does not have.
 * @example
 * const error = await decodeDicom('scan.dcm', { scale: 'window' }).catch((reason) => reason);
 * error.message.startsWith('scan.dcm: cannot decode'); // true
 */
export async function decodeDicom(source: string | Uint8Array, options: DicomOptions = {}): Promise<Raster> {
  const { frame = 0, scale = 'minMax', window, invert = true, depth = 32 } = options;
  if (!scales.includes(scale)) {
    throw new DataError(`decodeDicom: scale: expected one of ${scales.join(', ')}, got '${scale}'`);
  }
  if (depth !== 8 && depth !== 32) throw new DataError(`decodeDicom: depth: expected 8 or 32, got ${depth}`);
  const image = await readDicom(source, { frame });
  try {
    return image.photometric.startsWith('MONOCHROME') ? grey(image, { scale, window, invert, depth }) : colour(image);
  } catch (error) {
    throw new DataError(`${typeof source === 'string' ? source : 'DICOM bytes'}: ${(error as Error).message}`);
  }
}
