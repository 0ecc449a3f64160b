import type { Binding, ByteRange, LaunchContext } from '../tensor/kernel.ts';
import { input, weightFormat } from './launch.ts';

/** What a shader that can norm its row needs for that, beside what it is launched with; `range` is what is bound of the row. */
export const norming = ({ norm }: Pick<LaunchContext<object>, 'norm'>, range?: ByteRange) => {
  // Something has to be bound for a weight that is absent: the row, which is then not read as one.
  const bound = (of: 'gamma' | 'beta'): Binding => (norm?.[of] === undefined ? input(0, range) : { of });
  return {
    constants: { NORM: norm === undefined ? 0 : norm.isCentred ? 1 : 2 },
    uniforms: {
      gammaFormat: weightFormat(norm?.gamma),
      betaFormat: weightFormat(norm?.beta),
      gammaAdds: norm?.offset ?? 0,
      epsilon: norm?.epsilon ?? 0,
    },
    buffers: { gamma: bound('gamma'), beta: bound('beta') },
  };
};

/** Elements that are normed in about the time of a launch. */
const MOST_NORMED = 2 ** 16;

/** Whether it is faster that every workgroup norms the row for itself than that one more launch norms it for all. */
export const paysToNorm = (workgroups: number, columns: number): boolean => workgroups * columns <= MOST_NORMED;
