/**
 * Training as pure functions: losses, optimizers, learning-rate schedules, metrics and callbacks, by Keras's names and
 * with its arithmetic.
 *
 * @module
 */
export * from './callbacks.ts';
export * from './losses.ts';
export * from './metrics.ts';
export {
  type CommonOptions,
  defineOptimizer,
  type Optimizer,
  type OptimizerConfig,
  type OptimizerState,
  type OptimizerStep,
  type UpdateRule,
} from './optimizer.ts';
export * from './optimizers.ts';
export * from './schedules.ts';
