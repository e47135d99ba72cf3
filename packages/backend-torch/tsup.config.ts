import { library } from '../../tsup.base';

export default library({ entry: ['src/index.ts', 'src/cli.ts'], platform: 'node', banner: { js: '' } });
