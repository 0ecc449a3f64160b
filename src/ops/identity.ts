import * as E from 'fp-ts/lib/Either.js';
import type { Tensor } from '../tensor/tensor.ts';
import { defineElementwise } from './elementwise.ts';
import { apply } from './op.ts';

const identityOp = defineElementwise({
  name: 'identity',
  dtype: (_, [x]) => E.right(x!),
  value: (x) => x,
  wgsl: ([x]) => x!,
  vjp: (_, dy) => [dy],
});

/**
 * The value of `x` as a node of its own: what is computed from it depends on this node, so that one can ask for a
 * gradient with respect to it. An intercept returns it for a value that is computed only when somebody asks.
 *
 * @param x - Any dtype and shape.
 */
export const identity = (x: Tensor): Tensor => apply(identityOp, [x], {});
