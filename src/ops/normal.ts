import type { Shape } from '../tensor/shape.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cos } from './cos.ts';
import { log } from './log.ts';
import { multiply } from './multiply.ts';
import { uniform } from './random.ts';
import { reshape } from './reshape.ts';
import { sliceAxis } from './slice.ts';
import { sqrt } from './sqrt.ts';
import { subtract } from './subtract.ts';

/**
 * Standard normal numbers from a key, float32: `sqrt(-2 ln(1 - u)) cos(2 pi v)` of uniform `u` and `v`.
 *
 * @param key - `[2]` int32.
 * @see Box and Muller 1958; keras.random.normal
 */
export const normal = (key: Tensor, shape: Shape): Tensor => {
  const size = count(shape);
  const both = uniform(key, [2, size]);
  const [u, v] = [sliceAxis(both, 0, 0, 1), sliceAxis(both, 0, 1, 2)];
  return reshape(multiply(sqrt(multiply(log(subtract(1, u)), -2)), cos(multiply(v, 2 * Math.PI))), shape);
};
