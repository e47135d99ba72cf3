import { join } from 'node:path';
import { root, type Stage } from './stage';

/** `tsc --strict` on a file of a project, under both resolutions, the types of its packages included. */
export async function checkTypes(stage: Stage, folder: string, file: string): Promise<void> {
  for (const [resolution, module] of [
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ] as const) {
    const flags = ['--strict', '--noEmit', '--target', 'es2022', '--skipLibCheck', 'false', '--skipDefaultLibCheck'];
    const how = ['--module', module, '--moduleResolution', resolution];
    await stage.run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...flags, ...how, file], folder);
  }
}
