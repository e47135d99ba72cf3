import { copyFileSync, mkdirSync } from 'node:fs';
import { library } from '../../tsup.base';

// tfjs-core's bundled gradients are copied as they are: bundled again they triple in size, and gain a source map.
const generated = 'generated/core-gradients.js';

export default library({
  entry: ['src/index.ts', 'src/gradients.ts', 'src/cli.ts'],
  // Node's own modules are for the command alone: everything else is for browsers too.
  external: [`./${generated}`, /^node:/],
  removeNodeProtocol: false,
  onSuccess: async () => {
    const { default: prepare } = await import(new URL('../../tools/prepare.mjs', import.meta.url).href);
    await prepare();
    mkdirSync('dist/generated', { recursive: true });
    copyFileSync(`src/${generated}`, `dist/${generated}`);
  },
});
