import './generated/core-gradients.js';
import { registerGradients } from './gradients/register';

registerGradients();
