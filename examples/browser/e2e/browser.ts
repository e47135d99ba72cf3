import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { build, type InlineConfig, preview } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Headless Chromium of the machine; WebGL is computed by its own SwiftShader. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(executablePath)) {
    throw new Error(
      `npm run e2e: expected Chromium at ${executablePath}, found none. ` +
        'Fix: apt-get install chromium, or CHROMIUM=/path/to/chromium npm run e2e',
    );
  }
  const webgl = ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-quic', ...webgl] });
}

/** The built page in a folder of its own, on loopback, at a port that is free. */
export async function servePage(outDir: string): Promise<{ url: string; close: () => Promise<void> }> {
  const config: InlineConfig = { root, logLevel: 'error', build: { outDir, emptyOutDir: true } };
  await build(config);
  const server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0, strictPort: true } });
  return { url: server.resolvedUrls!.local[0]!, close: () => server.close() };
}
