import type { Config } from './config';

/** One training run of the ablation: what is changed against the configuration. */
export interface Setting {
  name: string;
  /** The table it belongs to: the paper's Fig 7, or one component at a time. */
  group: 'stages' | 'components';
  change: (config: Config) => Config;
  /** Read after every stage, each a row of its own; else at the end. */
  everyStage?: boolean;
}

/** What everything is compared with. */
export const baseline = 'global loss alone, as many steps';

const epochsOf = ({ stages }: Config) => stages.reduce((sum, { epochs }) => sum + epochs, 0);

/** One stage of all epochs, otherwise as the stage that it stands for. */
function oneStage(
  config: Config,
  like: Config['stages'][number] | undefined,
  losses: Config['stages'][number]['losses'],
) {
  const { schedule, ...stage } = like ?? config.stages.at(-1)!;
  const warmupSteps = config.stages[0]!.schedule.warmupSteps;
  const last = config.stages.at(-1)!.schedule;
  return {
    ...config,
    stages: [{ ...stage, name: 'all', epochs: epochsOf(config), losses, schedule: { ...last, warmupSteps } }],
  };
}

/** The stage with the longest global training: the baseline has its learning rate. */
const globalStage = ({ stages }: Config) =>
  stages.filter(({ losses }) => losses.join() === 'global').sort((a, b) => b.epochs - a.epochs)[0];

const without = (config: Config, loss: 'roi' | 'negative') => ({
  ...config,
  stages: config.stages.map((stage) => ({ ...stage, losses: stage.losses.filter((name) => name !== loss) })),
});
const withNegatives = (config: Config, mode: Config['loss']['negative']['mode']): Config => ({
  ...config,
  loss: { ...config.loss, negative: { ...config.loss.negative, mode } },
});
const withRoi = (config: Config, roi: Partial<Config['model']['roi']>): Config => ({
  ...config,
  model: { ...config.model, roi: { ...config.model.roi, ...roi } },
});

const withReset = (config: Config, resetOptimizer: boolean): Config => ({
  ...config,
  // the first has nothing to keep
  stages: config.stages.map((stage, i) => (i === 0 ? stage : { ...stage, resetOptimizer })),
});

/** The runs that the paper's Fig 7 and its components are tested on. */
export const settings: Setting[] = [
  { name: baseline, group: 'stages', change: (config) => oneStage(config, globalStage(config), ['global']) },
  { name: 'stages', group: 'stages', change: (config) => config, everyStage: true },
  {
    name: 'all losses from the start',
    group: 'components',
    change: (config) => oneStage(config, globalStage(config), ['global', 'roi', 'negative']),
  },
  { name: 'optimiser: a new one in every stage', group: 'components', change: (config) => withReset(config, true) },
  { name: 'optimiser: one for all stages', group: 'components', change: (config) => withReset(config, false) },
  { name: 'no negative captions', group: 'components', change: (config) => without(config, 'negative') },
  { name: 'negative captions: Eq 10', group: 'components', change: (config) => withNegatives(config, 'bce') },
  { name: 'negative captions: InfoNCE', group: 'components', change: (config) => withNegatives(config, 'infonce') },
  { name: 'no ROI captions', group: 'components', change: (config) => without(config, 'roi') },
  { name: 'keys: global (literal)', group: 'components', change: (config) => withRoi(config, { keys: 'global' }) },
  {
    name: 'weighting: fixed',
    group: 'components',
    change: (config) => ({ ...config, loss: { ...config.loss, weighting: 'fixed' } }),
  },
  { name: 'features: crops', group: 'components', change: (config) => withRoi(config, { features: 'crops' }) },
  { name: 'features: align', group: 'components', change: (config) => withRoi(config, { features: 'align' }) },
];
