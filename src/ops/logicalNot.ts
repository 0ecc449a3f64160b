import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, logical } from './elementwise.ts';

const logicalNotOp = defineElementwise({
  name: 'logicalNot',
  dtype: logical,
  value: (x) => (x === 0 ? 1 : 0),
  wgsl: ([x]) => `!(${x})`,
});

/**
 * `not x`, element by element.
 *
 * @param x - Any shape, bool.
 * @see keras.ops.logical_not
 */
export const logicalNot = (x: Tensor): Tensor => applyElementwise(logicalNotOp, x);
