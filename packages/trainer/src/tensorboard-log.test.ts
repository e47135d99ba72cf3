import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TensorBoardLog } from './tensorboard-log';

/** CRC-32C bit by bit: an independent twin of the table-driven library. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const masked = (bytes: Uint8Array) => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** Fields of a protobuf message by number, decoded by hand. */
function decode(bytes: Buffer): [field: number, value: number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    if (wire === 0) fields.push([tag >> 3, varint()]);
    if (wire === 1) fields.push([tag >> 3, take(8).readDoubleLE()]);
    if (wire === 5) fields.push([tag >> 3, take(4).readFloatLE()]);
    if (wire === 2) fields.push([tag >> 3, take(varint())]);
  }
  return fields;
}

function readEvents(path: string) {
  const file = readFileSync(path);
  const events = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(data));
    events.push(decode(data));
    at += length + 16;
  }
  return events;
}

it('knows the check value of CRC-32C', () => expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283));

it('writes framed events that an independent decoder reads back', () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  const log = new TensorBoardLog(folder, { clock: () => 1_700_000_000_500, resumeAfter: 9 });
  log.write(300, { 'loss/total': 0.5, précision: Number.NaN });
  expect(readdirSync(folder)).toHaveLength(1);
  expect(readdirSync(folder)[0]).toMatch(/^events\.out\.tfevents\.1700000000\./);
  const [version, start, scalars] = readEvents(log.path);
  expect(version).toEqual([
    [1, 1_700_000_000.5],
    [3, Buffer.from('brain.Event:2')],
  ]);
  expect(start!.slice(1)).toEqual([
    [2, 10],
    [7, Buffer.from([8, 1])],
  ]);
  expect(scalars![1]).toEqual([2, 300]);
  const values = decode(scalars![2]![1] as Buffer).map(([, value]) => decode(value as Buffer));
  expect(values).toEqual([
    [
      [1, Buffer.from('loss/total')],
      [2, 0.5],
    ],
    [
      [1, Buffer.from('précision')],
      [2, Number.NaN],
    ],
  ]);
});

it('two logs of one second go to two files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  new TensorBoardLog(folder, { clock: () => 0 });
  new TensorBoardLog(folder, { clock: () => 0 });
  expect(readdirSync(folder)).toHaveLength(2);
});
