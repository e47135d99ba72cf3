export { CreateError, createTrainer } from './create-trainer';
export { type Trainer, trainers } from './trainers';
