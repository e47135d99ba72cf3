import { library } from '../../tsup.base';
import { packTrainers } from './src/pack-trainers';

export default library({
  entry: ['src/index.ts', 'src/cli.ts'],
  platform: 'node',
  // The trainers travel in the package as they are in examples/.
  onSuccess: async () => packTrainers('../../examples', 'dist/trainers'),
});
