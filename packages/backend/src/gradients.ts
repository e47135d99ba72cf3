// First of all: the engine of whichever copy of tfjs-core is evaluated first serves both, and the bundled gradients
// alone cannot make usable tensors.
import '@tensorflow/tfjs-core';
import './generated/core-gradients.js';
import { registerGradients } from './gradients/register';

registerGradients();
