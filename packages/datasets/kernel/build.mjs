// Assembles area.wat into src/area-kernel.ts: node kernel/build.mjs. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import wabt from 'wabt';

const at = (path) => new URL(path, import.meta.url);

/** The module as base64. */
export async function assemble() {
  const parsed = (await wabt()).parseWat('area.wat', readFileSync(at('area.wat'), 'utf8'), { simd: true });
  return Buffer.from(parsed.toBinary({}).buffer).toString('base64');
}

if (import.meta.filename === process.argv[1]) {
  const text = `/** kernel/area.wat, assembled by kernel/build.mjs. */\nexport const areaKernel =\n  '${await assemble()}';\n`;
  writeFileSync(at('../src/area-kernel.ts'), text);
}
