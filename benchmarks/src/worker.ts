// Our side of a measurement: node worker.ts <engine>. Reads lines of JSON on stdin, answers on stdout:
//   {"case": name, "run": true}  makes the inputs, and runs one iteration if told to
//   {"iterations": n}  runs n iterations of that case, answers {"seconds": …}
//   {"peak": true}     runs one iteration, answers {"bytes": …}: its peak of resident memory above what was there
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { useBackend } from '@medalign/backend';
import * as tf from '@tensorflow/tfjs-core';
import { cases, type Iteration } from './cases';
import { modelCases } from './model-cases';

const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);

/** Resident memory of this process in bytes: now, and at its highest since the last reset. */
function resident(): { now: number; highest: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) * 1024;
  return { now: read('VmRSS'), highest: read('VmHWM') };
}

/** Reads one value back, so that a device has finished. */
const finish = () => tf.tidy(() => tf.add(tf.zeros([1]), 1).dataSync());

let iteration: Iteration | undefined;
let before = 0;

function prepare(name: string, run: boolean): object {
  iteration?.dispose?.();
  if (iteration) tf.engine().endScope();
  iteration = undefined;
  const left = tf.memory().numTensors - before;
  if (left > 0) throw new Error(`the last case left ${left} tensors behind`);
  const found = [...cases, ...modelCases].find((item) => item.name === name);
  if (!found) throw new Error(`no case '${name}'`);
  before = tf.memory().numTensors;
  tf.engine().startScope();
  iteration = found.make();
  if (run) iteration();
  finish();
  return {};
}

function seconds(iterations: number): object {
  const start = performance.now();
  for (let i = 0; i < iterations; i++) iteration!();
  finish();
  return { seconds: (performance.now() - start) / 1000 };
}

function peak(): object {
  writeFileSync('/proc/self/clear_refs', '5');
  const { now } = resident();
  iteration!();
  finish();
  return { bytes: resident().highest - now };
}

const { version, device } = await useBackend(process.argv[2]!, { log: () => {} });
say({ version, device });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as { case?: string; run: boolean; iterations?: number };
  try {
    say(command.case ? prepare(command.case, command.run) : command.iterations ? seconds(command.iterations) : peak());
  } catch (error) {
    say({ error: (error as Error).message });
  }
}
