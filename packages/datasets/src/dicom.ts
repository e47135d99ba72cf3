import type { DataSet } from 'dicom-parser';
import { decodedPhotometric, decodeFrame } from './dicom-codecs';
import { type DicomHeader, dicomHeader, parseDicom } from './dicom-header';
import { DataError } from './types';

/** The stored values of a DICOM file, before rescale, window or inversion. */
export interface DicomImage extends Omit<DicomHeader, 'bigEndian' | 'highBit' | 'planar'> {
  /** `[frames, height, width, samples]`; signed and as wide as the file says. */
  data: Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;
}

const arrays = {
  unsigned: { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array },
  signed: { 8: Int8Array, 16: Int16Array, 32: Int32Array },
};

/** Raw little- or big-endian samples → values: only the stored bits count, and the highest of them is the sign. */
function unpack(
  bytes: Uint8Array,
  size: number,
  { bits, shift, signed, bigEndian }: { bits: number; shift: number; signed: boolean; bigEndian: boolean },
  out: DicomImage['data'],
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const spare = 32 - bits;
  for (let i = 0; i < out.length; i++) {
    const raw =
      size === 1 ? bytes[i]! : size === 2 ? view.getUint16(2 * i, !bigEndian) : view.getUint32(4 * i, !bigEndian);
    const top = (raw >>> shift) << spare;
    out[i] = signed ? top >> spare : top >>> spare;
  }
}

/** Colours that lie one after the other → pixel by pixel. */
function interleave<T extends DicomImage['data']>(planes: T): T {
  const pixels = planes.length / 3;
  const out = planes.slice() as T;
  for (let i = 0; i < pixels; i++) for (let c = 0; c < 3; c++) out[3 * i + c] = planes[c * pixels + i]!;
  return out;
}

/** YBR_FULL_422 as it is stored: two pixels share their colour, Y Y Cb Cr. */
function spread422(bytes: Uint8Array, pixels: number): Uint8Array {
  const out = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    const pair = 4 * (i >> 1);
    out.set([bytes[pair + (i & 1)]!, bytes[pair + 2]!, bytes[pair + 3]!], 3 * i);
  }
  return out;
}

/** The compressed bytes of a frame; fragments belong to frames by the offset table, one by one, or by their JPEG ends. */
async function compressedFrame(file: DataSet, frames: number, frame: number): Promise<Uint8Array> {
  const { default: dicomParser } = await import('dicom-parser');
  const element = file.elements.x7fe00010!;
  const fragments = element.fragments ?? [];
  if (fragments.length < frames) throw new DataError(`${frames} frames in ${fragments.length} fragments`);
  if (frames === 1) return dicomParser.readEncapsulatedPixelDataFromFragments(file, element, 0, fragments.length);
  if (fragments.length === frames) return dicomParser.readEncapsulatedPixelDataFromFragments(file, element, frame);
  const table = element.basicOffsetTable?.length
    ? element.basicOffsetTable
    : dicomParser.createJPEGBasicOffsetTable(file, element);
  if (table.length !== frames) throw new DataError(`${frames} frames, but the offset table lists ${table.length}`);
  return dicomParser.readEncapsulatedImageFrame(file, element, frame, table);
}

async function readFrame(file: DataSet, header: DicomHeader, frame: number, out: DicomImage['data']): Promise<string> {
  const { width, height, samples, bitsAllocated, bitsStored, highBit, signed, bigEndian } = header;
  const element = file.elements.x7fe00010!;
  const layout = { shift: highBit + 1 - bitsStored, signed, bits: bitsStored, bigEndian };
  if (element.encapsulatedPixelData) {
    const decoded = await decodeFrame(await compressedFrame(file, header.frames, frame), header);
    const size = decoded.data.length / out.length;
    if (size !== 1 && size !== 2) throw new DataError(`${decoded.data.length} bytes for ${out.length} samples`);
    // The compressed stream knows best how many bits it has.
    const bits = Math.min(decoded.bits ?? bitsStored, bitsAllocated, 8 * size);
    unpack(decoded.data, size, { shift: 0, signed, bits, bigEndian: false }, out);
    if (decoded.planar) out.set(interleave(out));
    return decodedPhotometric(header);
  }
  const shared = header.photometric === 'YBR_FULL_422' && samples === 3;
  const size = bitsAllocated / 8;
  const length = shared ? 2 * width * height : out.length * size;
  const start = element.dataOffset + frame * length;
  if ((frame + 1) * length > element.length || start + length > file.byteArray.length) {
    throw new DataError(
      `pixel data has ${element.length} bytes, frame ${frame} needs ${(frame + 1) * length}: it is truncated`,
    );
  }
  let bytes: Uint8Array = file.byteArray.subarray(start, start + length);
  if (bigEndian && size === 1 && element.vr === 'OW') bytes = Uint8Array.from(bytes, (_, i) => bytes[i ^ 1] ?? 0);
  unpack(shared ? spread422(bytes, width * height) : bytes, size, layout, out);
  if (header.planar && samples === 3) out.set(interleave(out));
  return shared ? 'YBR_FULL' : header.photometric;
}

/**
 * The stored values of a DICOM file: uncompressed (little and big endian, deflated), JPEG (8 bits; 12 bits with the
 * package dcmjs-codecs), JPEG lossless, JPEG-LS, JPEG 2000, HTJ2K, RLE. Compressed frames are decoded on other threads.
 *
 * @param source a path, or the bytes of a file.
 * @param options `frame` one frame only; all without it.
 * @returns values in the file's own units: rescale, window and inversion are not applied, a palette is not looked up.
 * Colours lie pixel by pixel; `photometric` says how to read them (JPEG and JPEG 2000 give RGB, other YBR stays).
 * @throws {DataError} naming the file and why: not DICOM, truncated, no pixels, a transfer syntax without a codec.
 * @example
 * const error = await readDicom(new Uint8Array(200)).catch((reason) => reason);
 * error.name; // "DataError"
 */
export async function readDicom(source: string | Uint8Array, { frame }: { frame?: number } = {}): Promise<DicomImage> {
  try {
    const file = await parseDicom(source);
    const header = dicomHeader(file);
    const { width, height, samples, frames, bitsAllocated, signed } = header;
    if (!file.elements.x7fe00010) throw new DataError('no pixel data (7fe0,0010)');
    if (frame !== undefined && !(Number.isInteger(frame) && frame >= 0 && frame < frames)) {
      throw new DataError(`frame: expected 0 … ${frames - 1}, got ${frame}`);
    }
    const wanted = frame === undefined ? Array.from({ length: frames }, (_, i) => i) : [frame];
    const size = width * height * samples;
    const data = new arrays[signed ? 'signed' : 'unsigned'][bitsAllocated as 8 | 16 | 32](size * wanted.length);
    const photometric = await Promise.all(
      wanted.map((index, i) => readFrame(file, header, index, data.subarray(i * size, (i + 1) * size))),
    );
    const { bigEndian: _, highBit: __, planar: ___, ...rest } = header;
    return { ...rest, frames: wanted.length, photometric: photometric[0]!, data };
  } catch (error) {
    throw failed(source, error);
  }
}

const failed = (source: string | Uint8Array, error: unknown) =>
  new DataError(
    `${typeof source === 'string' ? source : 'DICOM bytes'}: cannot decode: ${(error as Error)?.message ?? error}`,
  );

/** Width and height from the header. */
export async function dicomSize(path: string): Promise<{ width: number; height: number }> {
  try {
    const { width, height } = dicomHeader(await parseDicom(path));
    return { width, height };
  } catch (error) {
    throw failed(path, error);
  }
}
