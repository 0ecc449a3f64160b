import * as E from 'fp-ts/lib/Either.js';
import type { Tensor } from '../tensor/tensor.ts';
import { defineElementwise } from './elementwise.ts';
import { apply } from './op.ts';

const stopGradientOp = defineElementwise({
  name: 'stopGradient',
  dtype: (_, [x]) => E.right(x!),
  value: (x) => x,
  wgsl: ([x]) => x!,
  vjp: () => [undefined],
});

/**
 * The value of `x`, through which no gradient flows.
 *
 * @param x - Any dtype and shape.
 * @see keras.ops.stop_gradient
 */
export const stopGradient = (x: Tensor): Tensor => apply(stopGradientOp, [x], {});
