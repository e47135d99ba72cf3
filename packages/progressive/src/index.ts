export type { Alignment, AlignmentInputs, AlignmentIteration, AlignmentOptions, EncodeWords } from './options';
export { refineAlignment } from './refine-alignment';
export { type ImportanceScale, type Selection, type SelectionOptions, selectKeywords } from './select-keywords';
