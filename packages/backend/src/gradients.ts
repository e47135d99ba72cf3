import './generated/core-gradients.js';
