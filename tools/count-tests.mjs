// Adds up the vitest results of every project and prints the closing line that CI reads.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const totals = { passed: 0, failed: 0, skipped: 0 };
for (const folder of ['packages', 'examples', 'tools']) {
  for (const project of readdirSync(join(root, folder))) {
    const results = join(root, folder, project, '.results');
    // one file for each set of engines that the tests ran on
    const files = existsSync(results) ? readdirSync(results).filter((name) => /^vitest.*\.json$/.test(name)) : [];
    if (files.length === 0) {
      const manifest = join(root, folder, project, 'package.json');
      if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).scripts?.test)
        throw new Error(`${results}/vitest.json is missing: npm test first`);
      continue;
    }
    const skipped = [];
    for (const name of files) {
      const result = JSON.parse(readFileSync(join(results, name), 'utf8'));
      totals.passed += result.numPassedTests;
      totals.failed += result.numFailedTests;
      skipped.push(result.numPendingTests + result.numTodoTests);
      const engines = /^vitest-(.*)\.json$/.exec(name)?.[1];
      const where = `${folder}/${project}${engines ? ` on ${engines}` : ''}`;
      console.log(`${where}: ${result.numPassedTests} of ${result.numTotalTests} tests passed`);
    }
    // what one run leaves out (the native tests without an engine) another may have run
    totals.skipped += Math.min(...skipped);
  }
}
const skipped = totals.skipped ? `, ${totals.skipped} skipped` : '';
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exitCode = totals.failed || !totals.passed ? 1 : 0;
