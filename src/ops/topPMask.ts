import * as E from 'fp-ts/lib/Either.js';
import { ArgumentError, DTypeError } from '../tensor/errors.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32, expectRows, rowKernel, rowsOf } from './rows.ts';

interface TopP {
  readonly p: number;
}

const topPMaskOp = defineOp<TopP>({
  name: 'topPMask',
  shape: ([probabilities = []]) => expectRows('topPMask', probabilities),
  dtype: ([probabilities]) =>
    probabilities === 'float32'
      ? E.right('bool')
      : E.left(new DTypeError(`topPMask: expected probabilities of a float dtype, got ${probabilities}`)),
  reference: ([probabilities], { p }, shape) => {
    const { columns } = rowsOf(shape);
    const limit = Math.fround(p);
    const y = new Uint8Array(count(shape));
    for (let start = 0; start < y.length; start += columns) {
      const values = probabilities!.data.subarray(start, start + columns);
      const order = Int32Array.from({ length: columns }, (_, j) => j);
      order.sort((a, b) => values[b]! - values[a]! || a - b);
      let sum = 0;
      for (const j of order) {
        // The sum of what came before; as float32, which is what KerasHub compares.
        if (Math.fround(sum) > limit) break;
        y[start + j] = 1;
        sum += values[j]!;
      }
    }
    return y;
  },
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [probabilities], attributes: { p }, traits }) => {
      const { rows, columns } = rowsOf(probabilities!.shape);
      if (rows * columns === 0) return [];
      // Sums of three bounds at once take too much memory for more lanes.
      const { shader, lanes } = rowKernel('topPMask', columns, {
        ...traits,
        maxInvocations: Math.min(256, traits.maxInvocations),
      });
      return rowRuns('topPMask', rows, [columns * 4], traits).map((run) => ({
        shader,
        constants: { WORKGROUP: lanes },
        uniforms: { rows: run.end - run.start, columns, p },
        buffers: {
          probabilities: input(0, rowRange(run, columns * 4)),
          y: output(rowRange(run, columns * 4)),
        },
        workgroups: run.end - run.start,
      }));
    },
  },
});

/**
 * The nucleus of each row: its largest numbers while they sum to `p` at most, and the one that exceeds `p`; of equal
 * numbers, those of lower index first. The largest number is always in it.
 *
 * @param probabilities - `[..., columns]`, float, not negative.
 * @param options - `p`, 0 or more.
 * @returns bool, of the same shape.
 * @throws {ShapeError} If `probabilities` is a scalar.
 * @throws {ArgumentError} If `p` is negative.
 * @see Holtzman et al. 2020, section 3.1; keras_hub.samplers.TopPSampler
 */
export const topPMask = (probabilities: Tensor, { p }: { readonly p: number }): Tensor => {
  if (!(p >= 0)) throw new ArgumentError(`topPMask: expected p of 0 or more, got ${p}`);
  // Beyond any sum of probabilities there is no difference, and the shader needs a finite number.
  return apply(topPMaskOp, [asFloat32(probabilities)], { p: Math.min(p, 3e38) });
};
