// Assembles area.wat into src/area-kernel.ts: npx tsx kernel/build.ts. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import wabt from 'wabt';

const at = (path: string) => new URL(path, import.meta.url);

/** The module as base64. */
export async function assemble(): Promise<string> {
  const parsed = (await wabt()).parseWat('area.wat', readFileSync(at('area.wat'), 'utf8'), { simd: true });
  return Buffer.from(parsed.toBinary({}).buffer).toString('base64');
}

if (import.meta.filename === process.argv[1]) {
  const text = `/** kernel/area.wat, assembled by kernel/build.ts. */\nexport const areaKernel =\n  '${await assemble()}';\n`;
  writeFileSync(at('../src/area-kernel.ts'), text);
}
