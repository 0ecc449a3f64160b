import type { Op, Tensor } from '../tensor/tensor.ts';
import { cast } from './cast.ts';
import { equal } from './equal.ts';
import { multiply } from './multiply.ts';
import { where } from './where.ts';

/** The gradient of `maximum` and `minimum`: it goes to the operand that is the result, in halves where both are. */
export const extremeVjp: NonNullable<Op<object>['vjp']> = ({ inputs, output: y }, dy) => {
  const [a, b] = inputs as readonly [Tensor, Tensor];
  return [a, b].map((x) => multiply(dy, where(equal(a, b), 0.5, cast(equal(x, y), 'float32'))));
};
