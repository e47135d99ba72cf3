import { defaultClientConditions, defineConfig } from 'vite';

const { default: prepare } = await import(new URL('../../tools/prepare.mjs', import.meta.url).href);
await prepare(); // the gradients that @medalign/backend registers

export default defineConfig({
  base: './', // the built page may lie in any folder of a web server
  resolve: { conditions: ['@medalign/source', ...defaultClientConditions] },
  build: { target: 'es2022', chunkSizeWarningLimit: 1500 },
});
