/**
 * From expression to expression; nothing here computes a value.
 *
 * @module
 */
export { type GradientOptions, gradients } from './gradients.ts';
