// Runs the shell blocks of the documentation that are marked to run (```sh run), and lists those that are not.
//
//   node tools/check-guides.mjs [part of a file name]
//
// The marked blocks of one file run in order, in one shell that stops at the first error, in a temporary copy of the
// tracked files with the packages that are installed here: what a block writes never reaches the checkout.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const only = process.argv[2] ?? '';
const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter(Boolean);
let failed = 0;
let ran = 0;
const left = [];

for (const file of tracked.filter((name) => name.endsWith('.md') && name.includes(only))) {
  const text = readFileSync(join(root, file), 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|bash|shell)([^\n]*)\n([\s\S]*?)^```/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    marked: match[1].trim() === 'run',
    code: match[2],
  }));
  for (const { line, marked, code } of blocks) if (!marked) left.push(`${file}:${line}  ${code.split('\n')[0]}`);
  const marked = blocks.filter((block) => block.marked);
  if (marked.length === 0) continue;
  const folder = mkdtempSync(join(tmpdir(), 'medalign-guide-'));
  try {
    for (const name of tracked) cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const script = marked.map(({ line, code }) => `echo '--- ${file}:${line}' >&2\n${code}`).join('\n');
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
      maxBuffer: 1 << 28,
    });
    ran += marked.length;
    if (status !== 0) {
      failed += 1;
      console.error(`FAILED ${file} (exit ${status})\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`);
    } else console.error(`${file}: ${marked.length} shell blocks ran`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.error(`\nNot run, because they are not marked (install, download, train for minutes, or need data):`);
for (const line of left) console.error(`  ${line}`);
console.error(`guides: ${ran} shell blocks ran, ${failed} files failed, ${left.length} blocks not run`);
process.exitCode = failed ? 1 : 0;
