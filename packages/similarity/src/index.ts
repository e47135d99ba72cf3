export {
  checkChoice,
  checkGradients,
  checkNumber,
  checkShape,
  type Dimensions,
  OptionError,
  ShapeError,
} from './checks';
