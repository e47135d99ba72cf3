// vitest's globalSetup: what tests write into the temporary folder goes with them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function temporary() {
  const folder = mkdtempSync(join(tmpdir(), 'medalign-tests-'));
  for (const name of ['TMPDIR', 'TMP', 'TEMP']) process.env[name] = folder; // the test processes inherit it
  return () => rmSync(folder, { recursive: true, force: true });
}
