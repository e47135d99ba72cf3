// The public types of a package, as they are built, against the committed api*.md: a change shows as a difference to review.
//
//   node tools/gates/api.mjs [--write] <package folder>…
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } });
const temporary = mkdtempSync(join(tmpdir(), 'medalign-api-'));
let different = 0;
try {
  for (const folder of positionals.map((path) => resolve(path))) {
    const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const [entry, { types } = {}] of Object.entries(exports)) {
      if (!types) continue;
      const file = join(folder, entry === '.' ? 'api.md' : `api-${entry.slice(2)}.md`);
      const [now, before] = [report(folder, types), existsSync(file) ? readFileSync(file, 'utf8') : ''];
      if (now === before) continue;
      if (values.write) writeFileSync(file, now);
      else {
        different += 1;
        process.stderr.write(`${name}: its public types are not those of ${file}\n${firstDifference(before, now)}\n`);
      }
    }
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
if (different > 0) {
  process.stderr.write('Wanted? Fix: npm run api, look at the difference, and add a changeset (npm run changeset).\n');
  process.exitCode = 1;
}

/** API Extractor's report of one entry. */
function report(folder, types) {
  const entry = join(folder, types);
  if (!existsSync(entry)) throw new Error(`${entry} is missing. Fix: npm run build`);
  const quiet = { default: { logLevel: 'none' } };
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: entry,
      compiler: { tsconfigFilePath: join(folder, 'tsconfig.json') },
      apiReport: {
        enabled: true,
        reportFileName: 'report.api.md',
        reportFolder: temporary,
        reportTempFolder: join(temporary, 'new'),
      },
      newlineKind: 'lf',
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: { extractorMessageReporting: quiet, tsdocMessageReporting: quiet },
    },
  });
  const messageCallback = (message) => {
    if (message.logLevel !== 'error') message.handled = true;
  };
  const { succeeded } = Extractor.invoke(config, { localBuild: true, messageCallback });
  if (!succeeded) throw new Error(`${entry}: no report could be made of its types`);
  // what is documented is the docs check's business
  return readFileSync(join(temporary, 'report.api.md'), 'utf8')
    .replaceAll(/^ *\/\/ \(undocumented\)\n/gm, '')
    .replaceAll(' (undocumented)', '');
}

function firstDifference(before, now) {
  const [a, b] = [before, now].map((text) => text.split('\n'));
  const at = b.findIndex((line, i) => line !== a[i]);
  const i = at < 0 ? b.length : at;
  return `  line ${i + 1}:\n  - ${a[i] ?? '(end)'}\n  + ${b[i] ?? '(end)'}`;
}
