import { setTimeout as wait } from 'node:timers/promises';
import type { Column } from './column';

/** Something to be measured; pytorch/cases.py has the same under the same name. */
export interface Case {
  name: string;
  /** Peak memory is measured too. */
  memory?: boolean;
}

export interface Result {
  name: string;
  unit: 'ms' | 'MB';
  /** Medians over rounds of the time of one iteration; or peak memory of one iteration. */
  ours: number;
  pytorch: number;
  /** ours / PyTorch */
  ratio: number;
  /** Other engines' medians, or why there is none. */
  others?: Record<string, number | string>;
  iterations?: number;
  rounds: number;
}

export const median = (list: number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
export const digits = (value: number) => Number(value.toPrecision(4));

/** Before a measurement: an engine's threads spin for a while after their work, and would slow the next one's. */
const REST_MS = 100;
/** At least this long for one measurement, so that a clock's and a scheduler's grain do not show. */
const LEAST_SECONDS = 0.05;
/** Where one turn of all takes long, rounds are fewer, but not under three. */
const MOST_SECONDS = 60;

/** Times a case on all columns, in turns. */
export async function measureTime(
  name: string,
  { ours, pytorch, others, rounds }: { ours: Column; pytorch: Column; others: Column[]; rounds: number },
): Promise<Result> {
  const failures = new Map<Column, string>();
  for (const column of [ours, pytorch]) await column.prepare(name);
  for (const column of others)
    await column.prepare(name).catch((error: Error) => failures.set(column, error.message.slice(0, 200)));
  const columns = [ours, pytorch, ...others.filter((column) => !failures.has(column))];

  const iterations = new Map<Column, number>();
  let turn = 0;
  for (const column of columns) {
    let count = 1;
    // a first measurement may be long only because code was compiled in it: two must be long enough
    for (let enough = 0; enough < 2; ) {
      const seconds = await column.seconds(count);
      if (seconds >= LEAST_SECONDS) enough += 1;
      else [count, enough] = [count * 2, 0];
      if (enough === 2) turn += seconds;
    }
    iterations.set(column, count);
  }
  const turns = Math.min(rounds, Math.max(3, Math.floor(MOST_SECONDS / turn)));
  const times = new Map<Column, number[]>(columns.map((column) => [column, []]));
  for (let round = 0; round < turns; round++) {
    for (const [column, list] of times) {
      const count = iterations.get(column)!;
      await wait(REST_MS);
      list.push((await column.seconds(count)) / count);
    }
  }
  const milliseconds = (column: Column) => digits(median(times.get(column)!) * 1000);
  return {
    name,
    unit: 'ms',
    ours: milliseconds(ours),
    pytorch: milliseconds(pytorch),
    ratio: digits(median(times.get(ours)!) / median(times.get(pytorch)!)),
    ...(others.length > 0 && {
      others: Object.fromEntries(others.map((one) => [one.name, failures.get(one) ?? milliseconds(one)])),
    }),
    iterations: iterations.get(ours)!,
    rounds: turns,
  };
}

/** Loads what a first iteration loads: libraries and their threads. Also what a column does to let go of a large case. */
export const WARM_UP = 'matmul 1024 × 1024, forward and backward';

/** Peak memory of the first iteration, each in a process that has only multiplied two matrices before. */
export async function measureMemory(
  name: string,
  start: { ours(): Promise<Column>; pytorch(): Promise<Column> },
): Promise<Result> {
  const peak = async (column: Column) => {
    await column.prepare(WARM_UP);
    await column.prepare(name, { run: false });
    const bytes = await column.peakBytes();
    column.stop();
    return bytes;
  };
  const [ours, pytorch] = [await peak(await start.ours()), await peak(await start.pytorch())];
  return {
    name: `${name}: peak memory`,
    unit: 'MB',
    ours: digits(ours / 1e6),
    pytorch: digits(pytorch / 1e6),
    ratio: digits(ours / pytorch),
    rounds: 1,
  };
}
