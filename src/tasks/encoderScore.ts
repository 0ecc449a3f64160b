import { checkIntercept, type Intercept } from '../layers/intercept.ts';
import type { SiteInfo } from '../layers/sites.ts';
import type { EncoderContext } from '../models/seq2seqModel.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import { sparseCategoricalCrossentropy } from '../ops/sparseCategoricalCrossentropy.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkMode, interceptOf, type ScoreIntercepts } from './score.ts';

/** What is asked of an encoder's task besides the inputs. */
export interface EncoderScore extends ScoreIntercepts {
  /** Default `'logits'`. */
  readonly scoringMode?: 'logits' | 'loss' | undefined;
  /** The right answers, int32; for `'loss'`. */
  readonly targetIds?: TensorValues | undefined;
}

/** A task that is scored. */
interface Scored {
  readonly name: string;
  readonly sites: readonly SiteInfo[];
}

/**
 * Logits of an encoder's task, or the cross entropy of given targets, neither reduced nor masked.
 *
 * @param wanted - What targets are, for the message.
 * @param logits - The task's logits with an intercept.
 * @throws {ArgumentError} If the mode is no mode, targets are missing, or the intercept is for a site that is not there.
 */
export const scoreEncoder = (
  { name, sites }: Scored,
  { scoringMode = 'logits', targetIds, ...intercepts }: EncoderScore,
  wanted: string,
  logits: (context: EncoderContext & { readonly intercept: Intercept }) => Tensor,
): Tensor => {
  checkMode(scoringMode, targetIds, wanted);
  const intercept = interceptOf(intercepts);
  checkIntercept(name, intercept, sites);
  const given = logits({ intercept });
  return scoringMode === 'logits' || targetIds === undefined
    ? given
    : sparseCategoricalCrossentropy(tensor(targetIds, { dtype: 'int32' }), given);
};
