// tfjs-core's own suite against one of our engines: npm run conformance -- --backend torch --json
// Ends with 1 if a spec fails that expected.ts does not list, or passes though it does.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { useBackend } from '@medalign/backend';
import { build } from 'esbuild';
import { expectedOf, impossible } from './expected';

interface Spec {
  fullName: string;
  status: 'passed' | 'failed' | 'pending' | 'excluded';
  failedExpectations: { message: string }[];
}

/** As much of jasmine as is used: it ships no types. */
interface Runner {
  exitOnCompletion: boolean;
  env: { configure(options: { random?: boolean; specFilter?: (spec: { getFullName(): string }) => boolean }): void };
  clearReporters(): void;
  addReporter(reporter: { specDone(spec: Spec): void }): void;
  execute(): Promise<unknown>;
}

interface Failure {
  spec: string;
  reason: string;
}

const require = createRequire(import.meta.url);
const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'torch' },
    json: { type: 'boolean', default: false },
    filter: { type: 'string' },
  },
});

/** The suite as one script. It has its own copy of tfjs-core, which shares engine and registries with ours. */
async function bundle(backend: string): Promise<string> {
  const folder = require.resolve('@tensorflow/tfjs-core/package.json').replace(/package\.json$/, 'dist/');
  const environment = { name: backend, backendName: backend, isDataSync: true };
  const entry = `
    const util = require(${JSON.stringify(`${folder}jasmine_util`)});
    util.setTestEnvs([${JSON.stringify(environment)}]);
    require(${JSON.stringify(`${folder}tests`)});`;
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: folder },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    ignoreAnnotations: true,
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

const engine = await useBackend(values.backend);
const Jasmine = require('jasmine') as new () => Runner;
const runner = new Jasmine();
runner.exitOnCompletion = false;
runner.env.configure({ random: false });
runner.clearReporters();
const counts = { passed: 0, failed: 0, pending: 0 };
const failures: Failure[] = [];
runner.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    if (status === 'passed') counts.passed += 1;
    else if (status === 'failed') counts.failed += 1;
    else if (status === 'pending') counts.pending += 1;
    if (status === 'failed')
      failures.push({
        spec: fullName,
        reason: failedExpectations[0]?.message.split('\n').slice(0, 2).join(' ').slice(0, 300) ?? '',
      });
    const done = counts.passed + counts.failed;
    if (done % 500 === 0) process.stderr.write(`${done} specs, ${counts.failed} failed\n`);
  },
});
const script = await bundle(engine.name);
// The suite asks for modules and defines specs at once, as a page's script would.
const run = new Function('require', 'module', 'exports', script);
run(require, { exports: {} }, {});
if (values.filter) runner.env.configure({ specFilter: (spec) => spec.getFullName().includes(values.filter!) });
const log = console.log;
console.log = console.warn = () => {};
await runner.execute();
console.log = log;

const known = expectedOf(engine.name);
for (const { spec, reason: said } of failures) {
  const cause = impossible[engine.name]?.find(({ error }) => error.test(said));
  if (cause && !known.has(spec)) known.set(spec, cause.reason);
}
const unexpected = failures.filter(({ spec }) => !known.has(spec));
const mended = values.filter ? [] : [...known.keys()].filter((name) => !failures.some(({ spec }) => spec === name));
const listed = failures.map(({ spec, reason }) => ({ spec, reason: known.get(spec) ?? reason }));
if (values.json) log(JSON.stringify({ backend: engine.name, ...counts, failures: listed }, null, 1));
else {
  for (const { spec, reason } of listed) log(`✗ ${spec}\n    ${reason}`);
  log(`${counts.passed} passed, ${counts.failed} failed, ${counts.pending} pending`);
}
for (const { spec } of unexpected) process.stderr.write(`not expected to fail: ${spec}\n`);
for (const spec of mended) process.stderr.write(`listed in tools/conformance/expected.ts, but passes: ${spec}\n`);
process.exit(unexpected.length + mended.length > 0 ? 1 : 0);
