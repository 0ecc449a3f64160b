import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { broadcastTo } from './broadcastTo.ts';
import { constant, leafStorage } from './constant.ts';

/**
 * A tensor of zeros. It costs no memory on a device until something writes to it.
 *
 * @param shape - Sizes of its axes; `[]` gives a scalar.
 * @returns float32, of that shape.
 * @see keras.ops.zeros
 */
export const zeros = (shape: Shape): Tensor => broadcastTo(constant(0), shape);

/** Whether a tensor is known to be made by `zeros`. */
export const isZeros = ({ op, inputs }: Tensor): boolean => {
  const storage = op.name === 'broadcastTo' ? leafStorage(inputs[0]!) : undefined;
  return storage?.kind === 'host' && storage.array.data.length === 1 && storage.array.data[0] === 0;
};
