import { copyFileSync } from 'node:fs';
import { library } from '../../tsup.base';

export default library({
  entry: ['src/index.ts', 'src/transforms.ts', 'src/cli.ts'],
  platform: 'node',
  // What a thread runs is a file of its own.
  onSuccess: async () => copyFileSync('src/dicom-thread.mjs', 'dist/dicom-thread.mjs'),
});
