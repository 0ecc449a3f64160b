import { pipe } from 'fp-ts/lib/function.js';
import { multiply } from '../ops/multiply.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type DenseParams, dense } from './dense.ts';
import { noTap, type Tap } from './intercept.ts';

/** Projections of a gated MLP: to the `gate`, `up` to the neurons, and `down` from their product. */
export interface GatedMlpParams {
  readonly gate: DenseParams;
  readonly up: DenseParams;
  readonly down: DenseParams;
}

/** What a gated MLP depends on besides its parameters. */
export interface GatedMlpOptions {
  /** What makes the gate of its projection. */
  readonly activation: (x: Tensor) => Tensor;
  /** Has an intercept see `mlpPre`, `mlpGate`, `mlpUp` and `mlpPost`. Default: nobody looks. */
  readonly tap?: Tap | undefined;
}

/**
 * `y = down(activation(gate(x)) * up(x))`.
 *
 * @returns `x [..., hiddenDim]` to the same shape, float32.
 * @see Shazeer 2020, equation 6
 */
export const gatedMlp =
  ({ gate, up, down }: GatedMlpParams, { activation, tap = noTap }: GatedMlpOptions) =>
  (x: Tensor): Tensor => {
    const opened = pipe(x, dense(gate), tap('mlpPre'), activation, tap('mlpGate'));
    const neurons = pipe(x, dense(up), tap('mlpUp'));
    return pipe(multiply(opened, neurons), tap('mlpPost'), dense(down));
  };
