import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { cast } from '../ops/cast.ts';
import { tensor } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import { greater } from '../ops/greater.ts';
import { log } from '../ops/log.ts';
import { logicalAnd } from '../ops/logicalAnd.ts';
import { logicalNot } from '../ops/logicalNot.ts';
import { maximum } from '../ops/maximum.ts';
import { min } from '../ops/min.ts';
import { reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import { subtract } from '../ops/subtract.ts';
import { take } from '../ops/take.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { topK } from '../ops/topK.ts';
import { where } from '../ops/where.ts';
import { refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import { column, type Decoder, type Decoding, type Given, isGivenAt, unlessGiven } from './decoding.ts';
import { floorDivided, isStop, sampleBy } from './sample.ts';
import { checkCount, checkFlag, checkTemperature, type Sampler, type TemperatureOptions, temper } from './sampler.ts';

/** Options of `BeamSampler`. */
export interface BeamOptions extends TemperatureOptions {
  /** How many beginnings of each row are kept. Default 5. */
  readonly numBeams?: number;
  /** Whether all of them come back, best first, with their scores. Default false: the best. */
  readonly returnAllBeams?: boolean;
}

type BeamState = {
  /** `[batch * beams, length]`: the beams of a row follow one another. */
  readonly tokens: Tensor;
  readonly index: Tensor;
  readonly cache: Tree;
  /** `[batch * beams]`. */
  readonly logProbs: Tensor;
  /** Which beams have a stop id, `[batch * beams]` int32. */
  readonly ended: Tensor;
};

/** How much less than the first a beam is worth before the first step: then all beams are alike, and one counts. */
const UNWORTHY = -1e9;

const beamDecoding = (beams: number, isAll: boolean, temperature: number): Decoding => {
  const softmaxOf = temper(temperature);
  const choose = (
    { tokens, index, cache, logProbs, ended }: BeamState,
    logits: Tensor,
    { mask, stops }: Given,
    decoder: Decoder,
  ): BeamState => {
    const [rows = 0, vocabulary = 0] = logits.shape;
    const batch = rows / beams;
    // The best of all beams are among the best of each, and those have the largest logits.
    const each = Math.min(beams, vocabulary);
    const own = topK(temperature === 1 ? logits : divide(logits, temperature), each);
    const likeliest = takeAlongAxis(softmaxOf(logits), sliceAxis(own.indices, 1, 0, 1));
    const ownLogProbs = add(subtract(own.values, sliceAxis(own.values, 1, 0, 1)), log(likeliest));
    const sums = reshape(add(ownLogProbs, reshape(logProbs, [rows, 1])), [batch, beams * each]);
    const best = topK(sums, beams);
    const firsts = tensor(
      Int32Array.from({ length: batch }, (_, row) => row * beams),
      { shape: [batch, 1] },
    );
    const parents = reshape(add(take(floorDivided(beams * each, each), best.indices), firsts), [rows]);
    const chosen = reshape(takeAlongAxis(reshape(own.indices, [batch, beams * each]), best.indices), [rows]);

    // When every beam has ended, all stays as it is: steps that are run beyond that change nothing.
    const isOver = greater(min(ended), 0);
    const from = where(isOver, arange(rows), parents);
    const moved = take(tokens, from);
    const filled = where(isOver, column(tokens, index), unlessGiven(moved, mask, index, chosen));
    const isEnd = logicalAnd(isStop(filled, stops), logicalNot(isGivenAt(mask, index, rows)));
    return {
      tokens: sliceUpdate(moved, [0, index], filled),
      index: where(isOver, index, add(index, 1)),
      cache: decoder.reorder(cache, from),
      logProbs: where(isOver, logProbs, reshape(best.values, [rows])),
      ended: maximum(take(ended, from), cast(reshape(isEnd, [rows]), 'int32')),
    };
  };
  const own: Decoding<BeamState> = {
    copies: beams,
    beams,
    isAll,
    start: ({ tokens, index, logits, cache }, given, decoder) => {
      const rows = tokens.shape[0]! * beams;
      const repeated = floorDivided(rows, beams);
      const worth = tensor(Float32Array.from({ length: rows }, (_, row) => (row % beams === 0 ? 0 : UNWORTHY)));
      return choose(
        {
          tokens: take(tokens, repeated),
          index,
          cache,
          logProbs: worth,
          ended: tensor(new Int32Array(rows)),
        },
        take(logits, repeated),
        given,
        decoder,
      );
    },
    advance: (state, given, decoder) => {
      const { logits, cache } = decoder.next(state.tokens, state.cache, state.index);
      return choose({ ...state, cache }, logits, given, decoder);
    },
  };
  return own as unknown as Decoding;
};

/**
 * Keeps the `numBeams` likeliest beginnings of each row, by the sum of the logarithms of their tokens' probabilities, and
 * gives the best in the end, or all. As in KerasHub, there is no penalty for length, a beam goes on after its stop id, and
 * what the prompt of a longer row decides is scored as what the model would have said.
 *
 * With `returnAllBeams`, `generate` gives a list of beams for each text, and `[batch, beams, length]` for tokens.
 *
 * @throws {ArgumentError} If `numBeams` is no whole number from 1, or the temperature not above 0.
 * @see keras_hub.samplers.BeamSampler
 */
export const BeamSampler: {
  (options: BeamOptions & { readonly returnAllBeams: true }): Sampler<readonly [Tensor, Tensor]>;
  (options?: BeamOptions & { readonly returnAllBeams?: false }): Sampler<Tensor>;
  (options: BeamOptions): Sampler<Tensor | readonly [Tensor, Tensor]>;
} = ((options: BeamOptions = {}) => {
  refuseUnknown('beam', options, ['numBeams', 'returnAllBeams', 'temperature']);
  const { numBeams = 5, returnAllBeams = false, temperature = 1 } = options;
  const beams = checkCount('beam', 'numBeams', numBeams);
  const isAll = checkFlag('beam', 'returnAllBeams', returnAllBeams);
  const decoding = beamDecoding(beams, isAll, checkTemperature('beam', temperature));
  const named = { name: 'beam' };
  return Object.freeze<Sampler>({
    ...named,
    probabilities: temper(temperature),
    decoding,
    sample: sampleBy(named, decoding),
  });
}) as typeof BeamSampler;
