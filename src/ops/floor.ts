import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const floorOp = defineElementwise({
  name: 'floor',
  dtype: floats,
  value: (x) => Math.floor(x),
  wgsl: ([x]) => `floor(${x})`,
  vjp: () => [undefined],
});

/**
 * `floor(x)`, element by element. No gradient flows through it: it is constant between the whole numbers.
 *
 * @param x - Any shape, float.
 * @see keras.ops.floor
 */
export const floor = (x: Tensor): Tensor => applyElementwise(floorOp, x);
