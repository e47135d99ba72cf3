// Runs a TypeScript entry point from the packages' sources, without a build: node tools/run.mjs <file.ts> [arguments]
import { spawn } from 'node:child_process';
import prepare from './prepare.mjs';

await prepare();
const [entry, ...args] = process.argv.slice(2);
const child = spawn(process.execPath, ['--conditions=@medalign/source', '--import', 'tsx', entry, ...args], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : (code ?? 1);
});
