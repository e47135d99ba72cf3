import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'vite';

const usage = `npm run browser -- [--run runs/plan-…] [--port 5173]

Serves the page on this machine; with --run it opens the model of that run folder of npm run plan.`;

/** What the command line asks for, or what is wrong with it. */
function options(): { model: string | undefined; port: number } {
  const { values } = parseArgs({
    options: { run: { type: 'string' }, port: { type: 'string', default: '5173' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new Error(`--port: expected a whole number from 0 to 65535, got '${values.port}'`);
  const model = values.run === undefined ? undefined : join(values.run, 'model.safetensors');
  if (model !== undefined && !existsSync(model)) {
    throw new Error(
      `--run ${values.run}: expected a run folder with model.safetensors, found none. ` +
        `Fix: npm run plan writes one when training ends; for an older run, npm run plan -- --resume ${values.run}`,
    );
  }
  return { model, port };
}

try {
  const { model, port } = options();
  const server = await createServer({
    root: fileURLToPath(new URL('.', import.meta.url)),
    server: { host: '127.0.0.1', port },
    plugins: [
      {
        name: 'model',
        configureServer: ({ middlewares }) => {
          if (model) middlewares.use('/model.safetensors', (_, response) => createReadStream(model).pipe(response));
        },
      },
    ],
  });
  await server.listen();
  const [url] = server.resolvedUrls!.local;
  process.stdout.write(`${url}${model ? '?model=model.safetensors' : ''}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${usage}\n`);
  process.exit(2);
}
