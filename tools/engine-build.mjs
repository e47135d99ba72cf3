// Which build of the native engine is current: a change of it makes nx run the native tests again.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'medalign',
  'backend-torch',
  'current.json',
);
console.log(existsSync(cache) ? readFileSync(cache, 'utf8').trim() : 'none');
