import { OptionError } from '@medalign/similarity';
import { Curriculum } from './curriculum';
import type { StageOptions } from './stage';

/**
 * The four stages of RegionMed-CLIP: warm-up, global, region, joint.
 *
 * | stage | epochs | learning rate | batch | losses |
 * |---|---|---|---|---|
 * | warmup | 2 | 1e-4 | 16 | global |
 * | global | 8 | 2e-4 | 16 | global |
 * | region | 8 | 2e-4 | 16 | roi, negative |
 * | joint | 8 | 3e-5 | 12 | global, roi, negative |
 *
 * The paper gives no batch size for the middle stages (they keep that of the warm-up), freezes nothing that it says, and says
 * neither how the learning rate goes within a stage (constant) nor whether the optimiser is reset (it is).
 *
 * @param changes of stages by name.
 * @throws {OptionError} for a name that is no stage, or a value that a stage cannot have.
 * @example
 * const curriculum = regionMedCurriculum({ joint: { freeze: ['text.*'] } });
 * curriculum.stages.map(({ name }) => name); // ["warmup", "global", "region", "joint"]
 * curriculum.steps(1600).total; // 2872
 */
export function regionMedCurriculum(changes: Readonly<Record<string, Partial<StageOptions>>> = {}): Curriculum {
  const stages: StageOptions[] = [
    { name: 'warmup', epochs: 2, learningRate: 1e-4, batchSize: 16, losses: ['global'] },
    { name: 'global', epochs: 8, learningRate: 2e-4, batchSize: 16, losses: ['global'] },
    { name: 'region', epochs: 8, learningRate: 2e-4, batchSize: 16, losses: ['roi', 'negative'] },
    { name: 'joint', epochs: 8, learningRate: 3e-5, batchSize: 12, losses: ['global', 'roi', 'negative'] },
  ];
  const names = stages.map(({ name }) => name);
  const stranger = Object.keys(changes).find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new OptionError(`changes: expected stages among ${names.join(', ')}, got '${stranger}'`);
  return new Curriculum(stages.map((stage) => ({ ...stage, ...changes[stage.name] })));
}
