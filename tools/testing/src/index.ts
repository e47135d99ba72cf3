export { expectClose, maxDifference, random } from './close';
export { engines, onEveryEngine } from './engines';
export { checkGradient, numericalGradient } from './finite-differences';
export { expectNoLeak } from './leaks';
