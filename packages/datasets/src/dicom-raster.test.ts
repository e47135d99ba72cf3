import { readFileSync } from 'node:fs';
import { dicomFile } from '@medalign/testing/miniatures';
import { describe, expect, it } from 'vitest';
import { decodeDicom } from './index';

const golden = JSON.parse(readFileSync(new URL('../goldens/dicom.json', import.meta.url), 'utf8'));
const bytesOf = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const stored = Uint16Array.from(golden.stored);
const deep = { Rows: 2, Columns: 8, BitsAllocated: 16, BitsStored: 12 };
const rounded = (data: ArrayLike<number>) => Array.from(data, (v) => Math.round(v * 1e5) / 1e5);
const near = (actual: ArrayLike<number>, expected: number[], tolerance: number) =>
  expect(Math.max(...expected.map((v, i) => Math.abs(v - actual[i]!)))).toBeLessThanOrEqual(tolerance);

describe('decodeDicom', () => {
  it.each(golden.windows as Record<string, number>[])('window $function $center $width', async (window) => {
    const header = {
      ...deep,
      WindowCenter: window.center,
      WindowWidth: window.width,
      VOILUTFunction: window.function,
      RescaleSlope: window.slope,
      RescaleIntercept: window.intercept,
    };
    const { data } = await decodeDicom(dicomFile(header, bytesOf(stored)), { scale: 'window' });
    near(data, window.values as unknown as number[], 2e-6);
  });

  it('takes the window that is asked for, or one of your own', async () => {
    const file = dicomFile({ ...deep, WindowCenter: [1000, 50], WindowWidth: [500, 100] }, bytesOf(stored));
    const second = await decodeDicom(file, { scale: 'window', window: 1 });
    expect(second.data).toEqual(
      (await decodeDicom(file, { scale: 'window', window: { center: 50, width: 100 } })).data,
    );
    await expect(decodeDicom(file, { scale: 'window', window: 2 })).rejects.toThrow(
      /window: the file has 2 windows, number 2 was asked for\. Fix: scale 'minMax'/,
    );
  });

  it('goes through modality and VOI tables', async () => {
    const table = ({ first, bits, table: values }: { first: number; bits: number; table: number[] }) => ({
      LUTDescriptor: [values.length, first, bits],
      LUTData: [bytesOf(Uint16Array.from(values)).slice().buffer],
      _vrMap: { LUTData: 'OW' },
    });
    const voi = dicomFile({ ...deep, VOILUTSequence: [table(golden.voi)] }, bytesOf(stored));
    near((await decodeDicom(voi, { scale: 'window' })).data, golden.voi.values, 2e-6);
    const modality = dicomFile(
      { ...deep, ModalityLUTSequence: [{ ...table(golden.modality), ModalityLUTType: 'US' }] },
      bytesOf(stored),
    );
    // 2000 … 530 of the table become 1 … 0.
    const expected = golden.modality.values.map((v: number) => (v - 530) / 1470);
    near((await decodeDicom(modality)).data, expected, 2e-6);
  });

  it('scales by the four named conventions and inverts MONOCHROME1', async () => {
    const header = { Rows: 1, Columns: 4, PhotometricInterpretation: 'MONOCHROME1' };
    const file = dicomFile(header, Uint8Array.of(50, 100, 150, 200));
    const decode = async (options: Parameters<typeof decodeDicom>[1]) =>
      rounded((await decodeDicom(file, options)).data);
    expect(await decode({})).toEqual(rounded([1, 2 / 3, 1 / 3, 0]));
    expect(await decode({ invert: false })).toEqual(rounded([0, 1 / 3, 2 / 3, 1]));
    // The two public conventions differ, and neither is the default.
    expect(await decode({ scale: 'max', depth: 8 })).toEqual([255 - 64, 128, 255 - 191, 0]);
    expect(await decode({ scale: 'minMax', invert: false, depth: 8 })).toEqual([0, 85, 170, 255]);
    expect(await decode({ scale: 'bits', invert: false })).toEqual(
      rounded([50 / 255, 100 / 255, 150 / 255, 200 / 255]),
    );
    const signed = { Rows: 1, Columns: 2, BitsAllocated: 16, BitsStored: 12, PixelRepresentation: 1, RescaleSlope: -2 };
    const bits = await decodeDicom(dicomFile(signed, bytesOf(Int16Array.of(-2048, 2047))), { scale: 'bits' });
    expect(Array.from(bits.data)).toEqual([1, 0]);
    const flat = await decodeDicom(dicomFile({ Rows: 1, Columns: 2 }, Uint8Array.of(9, 9)));
    expect(Array.from(flat.data)).toEqual([0, 0]);
    const wide = Int32Array.of(0, 10 ** 6, 2 * 10 ** 6);
    const far = dicomFile({ Rows: 1, Columns: 3, BitsAllocated: 32, PixelRepresentation: 1 }, bytesOf(wide));
    expect(Array.from((await decodeDicom(far)).data)).toEqual([0, 0.5, 1]);
  });

  it('looks colours up and turns YBR_FULL into RGB', async () => {
    const { tables, indices, rgb } = golden.palette;
    const colours = ['Red', 'Green', 'Blue'].map((name, i) => ({
      [`${name}PaletteColorLookupTableDescriptor`]: [16, 0, 16],
      [`${name}PaletteColorLookupTableData`]: [bytesOf(Uint16Array.from(tables[i])).slice().buffer],
    }));
    const header = {
      Rows: 2,
      Columns: 3,
      PhotometricInterpretation: 'PALETTE COLOR',
      ...Object.assign({}, ...colours),
    };
    const palette = await decodeDicom(dicomFile(header, Uint8Array.from(indices)));
    expect([palette.channels, ...palette.data]).toEqual([3, ...rgb]);
    const ybr = {
      Rows: 3,
      Columns: 4,
      SamplesPerPixel: 3,
      PhotometricInterpretation: 'YBR_FULL',
      PlanarConfiguration: 0,
    };
    const { data } = await decodeDicom(dicomFile(ybr, Uint8Array.from(golden.colour.ybr)));
    near(data, golden.colour.rgb, 1);
    const odd = dicomFile({ ...ybr, PhotometricInterpretation: 'HSV' }, Uint8Array.from(golden.colour.ybr));
    await expect(decodeDicom(odd)).rejects.toThrow(
      /photometric interpretation HSV is not supported; expected RGB, YBR_FULL or a palette/,
    );
  });

  it('names a wrong option', async () => {
    const file = dicomFile({ Rows: 1, Columns: 1 }, Uint8Array.of(1));
    await expect(decodeDicom(file, { scale: 'minmax' as 'minMax' })).rejects.toThrow(
      /scale: expected one of minMax, max, window, bits, got 'minmax'/,
    );
    await expect(decodeDicom(file, { depth: 16 as 8 })).rejects.toThrow(/depth: expected 8 or 32, got 16/);
  });
});
