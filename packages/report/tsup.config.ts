import { library } from '../../tsup.base';

export default library({ entry: ['src/index.ts', 'src/paint.ts'], platform: 'node' });
