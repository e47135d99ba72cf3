// Runs the shell and Python blocks of the documentation: npm run check:guides [-- part of a file name]
//
// ```sh run   its blocks run in order, in one shell per file that stops at the first error.
// ```sh       too long to run here, or in need of data: each command must be one that there is. Those that train are run
//             with --print-config, which checks options, files and settings; those that evaluate are run on a smoke run.
// ```python   values in comments are compared, where python3 has what is imported; with MEDALIGN_PYTHON it must have it.
//             ```python not run: what it imports is no package.
//
// ```         an error: mark it, with text if it is neither code nor a command.
//
// All of it in a temporary copy of the tracked files: what a block writes never reaches the checkout.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Block, blocksOf, unmarkedBlocks } from './blocks';
import { commandsOf, judge } from './commands';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const only = process.argv[2] ?? '';
const python = process.env.MEDALIGN_PYTHON ?? 'python3';
const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter(Boolean);
/** Markdown that people write; changelogs are made of changesets. */
const written = /^(?!\.changeset\/).*(?<!CHANGELOG)\.md$/;
const folders: string[] = [];
const counts = { blocks: 0, commands: 0, python: 0, failed: 0 };
const left: string[] = [];

function copy() {
  const folder = mkdtempSync(join(tmpdir(), 'medalign-guide-'));
  folders.push(folder);
  for (const name of tracked) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

type Result = { status: number | null; stdout: string; stderr: string };

async function bash(script: string, cwd: string): Promise<Result> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status, stdout, stderr };
}

function fail(where: string, { status, stdout, stderr }: Result) {
  counts.failed += 1;
  console.error(
    `FAILED ${where} ${status === null ? '' : `(exit ${status})`}\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`,
  );
}

async function runBlocks(file: string, blocks: readonly Block[]) {
  const script = blocks.map(({ line, code }) => `echo '--- ${file}:${line}' >&2\n${code}`).join('\n');
  const result = await bash(script, copy());
  if (result.status !== 0) fail(file, result);
  counts.blocks += blocks.length;
}

const jobs: (() => Promise<void>)[] = [];
const lines = new Set<string>();
const smokeRuns = new Map<string, Promise<void>>();

function checkCommand(where: string, command: string, folder: string) {
  counts.commands += 1;
  const { problem, run, data } = judge(command, root);
  if (problem) fail(`${where}: ${command}`, { status: null, stdout: '', stderr: problem });
  if (!run || lines.has(run)) return;
  lines.add(run);
  jobs.push(async () => {
    const needed = /runs\/smoke-(plan|regionmed)/.exec(run)?.[1];
    if (needed && !smokeRuns.has(needed)) smokeRuns.set(needed, smokeRun(needed, folder));
    if (needed) await smokeRuns.get(needed);
    const result = await bash(run, folder);
    if (result.status !== 0 && !(data && result.status === 3)) fail(`${where}: ${run}`, result);
  });
}

async function smokeRun(name: string, folder: string) {
  const result = await bash(`npm run --silent ${name} -- --smoke --out runs/smoke-${name}`, folder);
  if (result.status !== 0) fail(`the smoke run of ${name}`, result);
}

function runPython(where: string, { info, code }: Block) {
  if (info === 'not run') {
    left.push(`${where}  marked so`);
    return;
  }
  const imports = [...code.matchAll(/^(?:import|from) (\w+)/gm)].map((match) => match[1]!);
  const missing = [...new Set(imports)].filter((name) => spawnSync(python, ['-c', `import ${name}`]).status !== 0);
  if (missing.length) {
    const why = `${python} has no ${missing.join(', ')}`;
    if (process.env.MEDALIGN_PYTHON) fail(where, { status: null, stdout: '', stderr: why });
    else left.push(`${where}  ${why}`);
    return;
  }
  const script = join(root, 'tools/house/src/guides/python.py');
  const result = spawnSync(python, [script], { input: code, encoding: 'utf8' });
  if (result.status !== 0) fail(where, result);
  counts.python += 1;
}

async function work() {
  for (let job = jobs.shift(); job; job = jobs.shift()) await job();
}

try {
  const dry = copy();
  for (const file of tracked.filter((name) => name.includes(only) && written.test(name))) {
    const content = readFileSync(join(root, file), 'utf8');
    for (const line of unmarkedBlocks(content)) {
      const stderr = 'a block without a language, which nothing checks. Fix: ```sh, ```text, …';
      fail(`${file}:${line}`, { status: null, stdout: '', stderr });
    }
    const shell = blocksOf(content, ['sh', 'bash', 'shell']);
    const marked = shell.filter(({ info }) => info === 'run');
    if (marked.length) jobs.push(() => runBlocks(file, marked));
    for (const { line, info, code } of shell)
      if (info !== 'run') for (const command of commandsOf(code)) checkCommand(`${file}:${line}`, command, dry);
    for (const block of blocksOf(content, ['python'])) runPython(`${file}:${block.line}`, block);
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, work));
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
for (const line of left) console.error(`NOT RUN ${line}`);
console.error(
  `guides: ${counts.blocks} shell blocks ran, ${counts.commands} commands of other blocks checked, ${counts.python} Python blocks ran, ${left.length} did not, ${counts.failed} failed`,
);
process.exitCode = counts.failed ? 1 : 0;
