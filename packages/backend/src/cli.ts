#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { compile } from './build-tensorflow/compile';
import { findTensorflow } from './build-tensorflow/python';
import { EngineError } from './engines/error';
import { useTensorflow } from './engines/tensorflow';
import { findTfjsNode, INSTALL } from './engines/tfjs-node';

const USAGE = `Usage: medalign-backend build-tensorflow [--python <path>]

Compiles the native binding of @tensorflow/tfjs-node (or -node-gpu) against the TensorFlow of a Python environment:
--python, else the Python that MEDALIGN_TENSORFLOW_PYTHON names, else python3 on the PATH. Needs g++.
`;

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { python: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help || positionals.length !== 1 || positionals[0] !== 'build-tensorflow') {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : 2;
  }
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const tfjs = findTfjsNode();
  if (!tfjs) throw new EngineError('tensorflow', `no @tensorflow/tfjs-node or -node-gpu for ${process.cwd()}`, INSTALL);
  say(`${tfjs.name} ${tfjs.version}, in ${tfjs.folder}`);
  const tensorflow = findTensorflow(values.python);
  say(`TensorFlow of ${tensorflow.python}, in ${tensorflow.folder}`);
  const started = performance.now();
  compile(tfjs, tensorflow);
  say(`compiled in ${((performance.now() - started) / 1000).toFixed(0)} s: ${tfjs.binding}`);
  const engine = await useTensorflow();
  say(`it loads: TensorFlow ${engine.version} on ${engine.device}`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const usage = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(
    `${error instanceof EngineError || usage ? (error as Error).message : (error as Error).stack}\n`,
  );
  process.exitCode = usage ? 2 : error instanceof EngineError ? 4 : 1;
}
