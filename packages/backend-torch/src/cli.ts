#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { compile } from './build/compile';
import { findLibtorch } from './build/libtorch';
import { TorchError } from './error';
import { registerTorch } from './register-torch';

const USAGE = `Usage: medalign-backend-torch build [--force]

Compiles the native engine against the libtorch that is here: MEDALIGN_TORCH_DIR, else the torch of python3 on the PATH
(an activated virtual environment), else the system's. Needs g++. Builds are kept in ~/.cache/medalign/backend-torch.
`;

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { force: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help || positionals.length !== 1 || positionals[0] !== 'build') {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : 2;
  }
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const torch = findLibtorch();
  const { version, cuda, folder, source } = torch;
  say(`libtorch ${version} ${cuda ? 'with CUDA' : 'for the CPU'}, in ${folder} (${source})`);
  await compile(torch, { force: values.force, log: say });
  const engine = await registerTorch();
  say(`it loads: torch ${engine.version} on ${engine.device}`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const usage = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${error instanceof TorchError || usage ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = usage ? 2 : error instanceof TorchError ? 4 : 1;
}
