import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('is bundled for a browser without anything of Node', async () => {
  const { metafile, outputFiles } = await build({
    stdin: {
      contents: "export * from './index';",
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
      loader: 'ts',
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['@medalign/source'],
    external: ['@tensorflow/*'],
    metafile: true,
    write: false,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports.map(({ path }) => path));
  expect(imports.filter((path) => path.startsWith('node:'))).toEqual([]);
  expect(outputFiles[0]!.text).toContain('there are no files here, only in Node');
});
