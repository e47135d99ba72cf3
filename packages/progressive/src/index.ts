export {
  Curriculum,
  type CurriculumEpoch,
  type CurriculumPosition,
  type CurriculumState,
  type CurriculumSteps,
} from './curriculum';
export type { Alignment, AlignmentInputs, AlignmentIteration, AlignmentOptions, EncodeWords } from './options';
export { refineAlignment } from './refine-alignment';
export { regionMedCurriculum } from './region-med-curriculum';
export { type ImportanceScale, type Selection, type SelectionOptions, selectKeywords } from './select-keywords';
export type { Stage, StageOptions, StageSchedule } from './stage';
