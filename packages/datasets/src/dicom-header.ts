import { readFile } from 'node:fs/promises';
import type { DataSet } from 'dicom-parser';
import { DataError } from './types';

/** A lookup table: input `first` and below gives `values[0]`. */
export interface LookupTable {
  first: number;
  bits: number;
  values: Uint16Array;
}

/** What a DICOM file says about its pixels. */
export interface DicomHeader {
  transferSyntax: string;
  bigEndian: boolean;
  width: number;
  height: number;
  samples: number;
  frames: number;
  photometric: string;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  signed: boolean;
  planar: boolean;
  slope: number;
  intercept: number;
  windows: { center: number; width: number }[];
  windowFunction: string;
  modalityTable?: LookupTable;
  windowTable?: LookupTable;
  palette?: [LookupTable, LookupTable, LookupTable];
}

/** Reads the numbers of an OW or US element in the file's byte order. */
function words(file: DataSet, tag: string, bigEndian: boolean): Uint16Array {
  const { dataOffset, length } = file.elements[tag]!;
  const view = new DataView(file.byteArray.buffer, file.byteArray.byteOffset + dataOffset, length);
  return Uint16Array.from({ length: length >> 1 }, (_, i) => view.getUint16(2 * i, !bigEndian));
}

function lookupTable(
  file: DataSet,
  descriptor: string,
  data: string,
  signed: boolean,
  bigEndian: boolean,
): LookupTable {
  const count = file.uint16(descriptor, 0) || 65536;
  const first = (signed ? file.int16(descriptor, 1) : file.uint16(descriptor, 1)) ?? 0;
  const element = file.elements[data];
  if (!element)
    throw new DataError(
      `a lookup table (${descriptor.slice(1)}) without data (${data.slice(1)}); segmented tables are not supported`,
    );
  // Tables of 8 bits may be stored in bytes or in words.
  const inBytes = element.length === count;
  const bits = inBytes ? 8 : (file.uint16(descriptor, 2) ?? 16);
  const values = inBytes
    ? Uint16Array.from(file.byteArray.subarray(element.dataOffset, element.dataOffset + count))
    : words(file, data, bigEndian).subarray(0, count);
  if (values.length < count) throw new DataError(`a lookup table of ${count} entries has only ${values.length}`);
  return { first, bits, values };
}

/** The bytes of a file, parsed. Pixel data is not copied and not decoded. */
export async function parseDicom(source: string | Uint8Array): Promise<DataSet> {
  const bytes = typeof source === 'string' ? await readFile(source) : source;
  const { default: dicomParser } = await import('dicom-parser');
  if (String.fromCharCode(...bytes.subarray(128, 132)) !== 'DICM') {
    throw new DataError("not a DICOM file: expected 'DICM' at byte 128, before the file meta information");
  }
  try {
    return dicomParser.parseDicom(bytes);
  } catch (error) {
    // The parser throws `{ exception, dataSet }` once it has read something.
    const { exception, dataSet } = error as { exception?: unknown; dataSet?: DataSet };
    const pixels = dataSet?.elements.x7fe00010;
    const why =
      pixels && dataSet
        ? `pixel data should end at byte ${pixels.dataOffset + pixels.length}, the file at ${dataSet.byteArray.length}: it is truncated`
        : ((exception as Error)?.message ?? exception ?? (error as Error).message ?? error);
    throw new DataError(`not a whole DICOM file: ${why}`);
  }
}

/**
 * What the header says about the pixels, checked.
 *
 * @throws {DataError} naming the attribute that is missing or not supported.
 */
export function dicomHeader(file: DataSet): DicomHeader {
  const transferSyntax = file.string('x00020010')?.trim() ?? '';
  const bigEndian = transferSyntax === '1.2.840.10008.1.2.2';
  const number = (tag: string, name: string) => {
    const value = file.uint16(tag);
    if (value === undefined) throw new DataError(`no ${name} (${tag.slice(1, 5)},${tag.slice(5)}): not an image`);
    return value;
  };
  const decimals = (tag: string) =>
    Array.from(
      { length: file.elements[tag] ? (file.numStringValues(tag) ?? 0) : 0 },
      (_, i) => file.floatString(tag, i)!,
    );
  const bitsAllocated = number('x00280100', 'BitsAllocated');
  const bitsStored = file.uint16('x00280101') ?? bitsAllocated;
  const highBit = file.uint16('x00280102') ?? bitsStored - 1;
  const samples = file.uint16('x00280002') ?? 1;
  if (![8, 16, 32].includes(bitsAllocated) || bitsStored < 1 || bitsStored > highBit + 1 || highBit >= bitsAllocated) {
    throw new DataError(
      `expected 8, 16 or 32 bits allocated and the stored bits among them, got ${bitsAllocated} allocated, ${bitsStored} stored, high bit ${highBit}`,
    );
  }
  if (samples !== 1 && samples !== 3) throw new DataError(`expected 1 or 3 samples per pixel, got ${samples}`);
  const signed = file.uint16('x00280103') === 1;
  const photometric = file.string('x00280004')?.trim() ?? (samples === 1 ? 'MONOCHROME2' : 'RGB');
  const [centers, widths] = [decimals('x00281050'), decimals('x00281051')];
  const sequence = (tag: string) => {
    const item = file.elements[tag]?.items?.[0]?.dataSet;
    return item && lookupTable(item, 'x00283002', 'x00283006', signed, bigEndian);
  };
  const paletteTable = (i: number) => lookupTable(file, `x0028110${i}`, `x0028120${i}`, signed, bigEndian);
  return {
    transferSyntax,
    bigEndian,
    width: number('x00280011', 'Columns'),
    height: number('x00280010', 'Rows'),
    samples,
    frames: file.intString('x00280008') ?? 1,
    photometric,
    bitsAllocated,
    bitsStored,
    highBit,
    signed,
    planar: file.uint16('x00280006') === 1,
    slope: file.floatString('x00281053') ?? 1,
    intercept: file.floatString('x00281052') ?? 0,
    windows: centers.slice(0, widths.length).map((center, i) => ({ center, width: widths[i]! })),
    windowFunction: file.string('x00281056')?.trim() || 'LINEAR',
    modalityTable: sequence('x00283000'),
    windowTable: sequence('x00283010'),
    palette: photometric === 'PALETTE COLOR' ? [paletteTable(1), paletteTable(2), paletteTable(3)] : undefined,
  };
}
