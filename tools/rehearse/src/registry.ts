import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runServer } from 'verdaccio';
import { run } from './command';

export interface Registry {
  url: string;
  /** What npm needs to use this registry and nothing of the user's: a temporary npmrc, no inherited npm settings. */
  env: NodeJS.ProcessEnv;
  /** The file that was uploaded as this version of a package. */
  tarball(name: string, version: string): string;
  close(): Promise<void>;
}

/**
 * A registry of our own on loopback, at a free port, that forgets everything.
 *
 * Packages of `scopes` live here alone, so that nothing published elsewhere hides one that is missing. Everything else
 * comes from the registry that the user's npm is set to.
 */
export async function startRegistry(folder: string, scopes: string[]): Promise<Registry> {
  const storage = join(folder, 'registry');
  mkdirSync(storage, { recursive: true });
  // outside the checkout, whose .npmrc is for the checkout; npm names its defaults "null"
  const setting = async (name: string) => {
    const value = (await run('npm', ['config', 'get', name], { cwd: tmpdir(), env: withoutNpm() })).trim();
    return value === 'null' || value === 'undefined' ? undefined : value;
  };
  const [upstream, cache, proxy] = await Promise.all([setting('registry'), setting('cache'), setting('https-proxy')]);

  const server: Server = await runServer({
    configPath: join(folder, 'verdaccio.yaml'),
    storage,
    uplinks: { upstream: { url: upstream, timeout: '60s', max_fails: 10 } },
    packages: {
      ...Object.fromEntries(scopes.map((scope) => [`${scope}/*`, { access: '$all', publish: '$all' }])),
      '**': { access: '$all', proxy: 'upstream' },
    },
    max_body_size: '100mb',
    log: { type: 'file', path: join(folder, 'verdaccio.log'), format: 'json', level: 'warn' },
    ...(proxy && { https_proxy: proxy }),
  } as unknown as Parameters<typeof runServer>[0]);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;

  // npm wants a token before it publishes; this one is worth nothing anywhere
  const npmrc = join(folder, 'npmrc');
  writeFileSync(npmrc, `registry=${url}\n//127.0.0.1:${port}/:_authToken=rehearsal\naudit=false\nfund=false\n`);
  const env = {
    ...withoutNpm(),
    npm_config_userconfig: npmrc,
    npm_config_registry: url,
    ...Object.fromEntries(scopes.map((scope) => [`npm_config_${scope}:registry`, url])),
    npm_config_cache: cache, // third-party files by their checksums: what npm ci has fetched is not fetched again
    npm_config_noproxy: '127.0.0.1',
    npm_config_update_notifier: 'false',
  };
  return {
    url,
    env,
    tarball: (name, version) => join(storage, name, `${name.split('/').at(-1)}-${version}.tgz`),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The environment without what npm, a CI's identity or this process's Node options would add to it. */
function withoutNpm(): NodeJS.ProcessEnv {
  const inherited = /^(npm_|NODE_OPTIONS$|NODE_PATH$|NODE_AUTH_TOKEN$|ACTIONS_ID_TOKEN)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name)));
}
