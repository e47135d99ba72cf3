import { availableParallelism } from 'node:os';
import { type Engine, type UseBackendOptions, useBackend } from '@medalign/backend';
import type { Config } from './config';

/** Starts an engine with its share of the cores, where replicas of the model work beside each other. */
export function startEngine(
  backend: string,
  { precision, train: { replicas } }: Config,
  options: UseBackendOptions = {},
): Promise<Engine> {
  const share = replicas > 1 && { threads: Math.max(1, Math.floor(availableParallelism() / replicas)) };
  return useBackend(backend, { precision, ...share, ...options });
}
