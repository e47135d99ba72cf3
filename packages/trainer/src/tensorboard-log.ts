import { appendFileSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Crc32c } from '@aws-crypto/crc32c';
import { PbfWriter } from 'pbf';

/**
 * Scalars for TensorBoard: `tensorboard --logdir <folder>` shows them beside PyTorch's runs.
 *
 * Writes `events.out.tfevents.<seconds>.<host>.<pid>.<n>`: records of `length, crc, Event, crc` with masked CRC-32C, the Event
 * protobuf with `wall_time`, `step` and one `simple_value` per scalar. Every `write` is on disk when it returns.
 *
 * @param folder where the file goes; made if need be.
 * @param options `resumeAfter`: tells TensorBoard to forget the points of later steps from files of the run resumed from;
 *   `clock`: milliseconds now.
 * @example
 * const folder = `${(await import('node:os')).tmpdir()}/events-${process.pid}`;
 * const log = new TensorBoardLog(folder);
 * log.write(1, { 'loss/total': 0.5, 'learning rate': 1e-4 });
 */
export class TensorBoardLog {
  readonly path: string;
  readonly #clock: () => number;
  static #files = 0;

  constructor(folder: string, { resumeAfter, clock = Date.now }: { resumeAfter?: number; clock?: () => number } = {}) {
    mkdirSync(folder, { recursive: true });
    this.#clock = clock;
    const seconds = String(Math.floor(clock() / 1000)).padStart(10, '0');
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${TensorBoardLog.#files++}`;
    this.path = join(folder, name);
    this.#append((event) => event.writeStringField(fields.fileVersion, 'brain.Event:2'));
    if (resumeAfter !== undefined) {
      this.#append((event) => {
        event.writeVarintField(fields.step, resumeAfter + 1);
        event.writeMessage(fields.sessionLog, (_, session) => session.writeVarintField(1, sessionStart), undefined);
      });
    }
  }

  /** Writes one point per scalar; NaN and infinities are kept, TensorBoard marks them. */
  write(step: number, scalars: Record<string, number>): void {
    this.#append((event) => {
      event.writeVarintField(fields.step, step);
      event.writeMessage(fields.summary, writeSummary, scalars);
    });
  }

  #append(fill: (event: PbfWriter) => void): void {
    const event = new PbfWriter();
    event.writeDoubleField(fields.wallTime, this.#clock() / 1000);
    fill(event);
    appendFileSync(this.path, frame(event.finish()));
  }
}

// Field numbers of tensorflow.Event (tensorflow/core/util/event.proto) and of SessionLog.SessionStatus.START.
const fields = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const sessionStart = 1;

function writeSummary(scalars: Record<string, number>, summary: PbfWriter): void {
  for (const [tag, value] of Object.entries(scalars)) {
    summary.writeMessage(
      1,
      (_, entry) => {
        entry.writeStringField(1, tag);
        entry.writeFloatField(2, value);
      },
      undefined,
    );
  }
}

/** TFRecord framing: length (uint64), masked CRC of the length, data, masked CRC of the data; all little-endian. */
function frame(data: Uint8Array): Buffer {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

function maskedCrc(data: Uint8Array): number {
  const crc = new Crc32c().update(data).digest();
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
