import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { cast } from '../ops/cast.ts';
import { concatenate } from '../ops/concatenate.ts';
import { constant } from '../ops/constant.ts';
import { dynamicSlice } from '../ops/dynamicSlice.ts';
import { equal } from '../ops/equal.ts';
import { less } from '../ops/less.ts';
import { lessEqual } from '../ops/lessEqual.ts';
import { logicalAnd } from '../ops/logicalAnd.ts';
import { maximum } from '../ops/maximum.ts';
import { min } from '../ops/min.ts';
import { minimum } from '../ops/minimum.ts';
import { multiply } from '../ops/multiply.ts';
import { reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import { subtract } from '../ops/subtract.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, type Tree, withLeaves } from '../tensor/tree.ts';
import { column, type Decoding, type Draft, type Given, unlessGiven, write } from './decoding.ts';
import { sampleBy } from './sample.ts';
import { checkCount, checkSeed, type Sampler, type TokenSampler } from './sampler.ts';
import { GreedySampler } from './samplers.ts';

/** Options of `SpeculativeSampler`. */
export interface SpeculativeOptions {
  /** The model that guesses: smaller than the one that generates, of the same vocabulary. `sample` is given its `next`. */
  readonly draft?: Draft;
  /** How many tokens it guesses before they are checked. Default 5. */
  readonly numSpeculativeTokens?: number;
  /** How tokens are chosen. Default: greedily. */
  readonly baseSampler?: TokenSampler;
  /** Seed of the draws. Default: the base sampler's. */
  readonly seed?: number;
}

type SpeculativeState = {
  readonly tokens: Tensor;
  readonly index: Tensor;
  readonly cache: Tree;
  readonly draftCache: Tree;
  readonly sampler: Tree;
};

/** Of trees of one form, the one whose number a scalar says. */
const pick = (trees: readonly Tree[], at: Tensor): Tree => {
  const [first, ...rest] = trees.map(leaves);
  const chosen = rest.reduce<readonly Tensor[]>(
    (known, own, i) => known.map((leaf, j) => (leaf === own[j] ? leaf : where(equal(at, i + 1), own[j]!, leaf))),
    first!,
  );
  return withLeaves(trees[0]!, chosen);
};

const speculativeDecoding = (
  { init, step }: Pick<TokenSampler, 'init' | 'step'>,
  numSpeculativeTokens: number,
  draft: Draft | undefined,
): Decoding => {
  const own: Decoding<SpeculativeState> = {
    copies: 1,
    columns: numSpeculativeTokens + 1,
    ...(draft === undefined ? {} : { draft }),
    start: ({ tokens, index, keys, logits, cache, draftCache }, { mask }) => {
      const [chosen, sampler] = step(init({ keys, position: index }), logits, { tokenIds: tokens, position: index });
      return { tokens: write(tokens, mask, index, chosen), index: add(index, 1), cache, draftCache, sampler };
    },
    advance: ({ tokens, index, cache, draftCache, sampler }, { mask }: Given, decoder, guesser) => {
      if (guesser === undefined)
        throw new ArgumentError('speculative: expected a draft model (draft, or draftNext for sample), got none');
      const [batch = 0, length = 0] = tokens.shape;
      // Guesses must fit between the last token and the end of the rows.
      const ahead = Math.min(numSpeculativeTokens, length - 1);
      const place = (i: number): Tensor => minimum(add(index, i), length - 1);

      // The draft's choices: by the same rule, state and random numbers as those of the model.
      let guessed = tokens;
      let guessCache = draftCache;
      let guessState = sampler;
      const guesses: Tensor[] = [];
      for (let i = 0; i < ahead; i++) {
        const { logits, cache: read } = guesser.next(guessed, guessCache, place(i));
        const [chosen, next] = step(guessState, logits, { tokenIds: guessed, position: place(i) });
        const filled = unlessGiven(guessed, mask, place(i), chosen);
        guessed = sliceUpdate(
          guessed,
          [0, place(i)],
          where(less(add(index, i), length), filled, column(guessed, place(i))),
        );
        guesses.push(filled);
        guessCache = read;
        guessState = next;
      }
      // The draft reads its last guess too, for the case that it stands.
      guessCache = guesser.next(guessed, guessCache, place(ahead)).cache;

      // One pass of the model over all guesses. Near the end it begins earlier, and reads some tokens again.
      const first = maximum(minimum(index, length - ahead), 1);
      const { logits, cache: read } = decoder.verify(guessed, cache, first, ahead + 1);
      const vocabulary = logits.shape[2]!;
      const later = subtract(index, first);
      const choices: Tensor[] = [];
      const states: Tree[] = [];
      let state = sampler;
      for (let i = 0; i <= ahead; i++) {
        const at = minimum(add(later, i), ahead);
        const here = reshape(dynamicSlice(logits, [0, at, 0], [batch, 1, vocabulary]), [batch, vocabulary]);
        const [chosen, next] = step(state, here, { tokenIds: guessed, position: place(i) });
        choices.push(unlessGiven(guessed, mask, place(i), chosen));
        states.push(next);
        state = next;
      }

      // As many columns are decided as guesses stand in all rows, and one more, which the model has chosen itself.
      const chosen = concatenate(choices, { axis: 1 }); // [batch, ahead + 1]
      const right = cast(equal(sliceAxis(chosen, 1, 0, ahead), concatenate(guesses, { axis: 1 })), 'int32');
      let unbroken: Tensor = constant(1, { dtype: 'int32' });
      let standing: Tensor = constant(0, { dtype: 'int32' });
      for (let i = 0; i < ahead; i++) {
        unbroken = multiply(unbroken, min(sliceAxis(right, 1, i, i + 1)));
        standing = add(standing, unbroken);
      }
      const offset = subtract(arange(length), index);
      const isDecided = logicalAnd(lessEqual(0, offset), lessEqual(offset, standing));
      const spread = takeAlongAxis(chosen, reshape(maximum(minimum(offset, ahead), 0), [1, length]));
      return {
        tokens: where(isDecided, spread, tokens),
        index: minimum(add(add(index, standing), 1), length),
        cache: read,
        draftCache: guessCache,
        sampler: pick(states, standing),
      };
    },
  };
  return own as unknown as Decoding;
};

/**
 * Speculative sampling: a draft model guesses some tokens, the model reads all of them in one pass, and those stand that it
 * would have chosen itself, with one more of its own. The text is the base sampler's, token by token and seed by seed; it
 * comes in fewer passes of the model.
 *
 * Both models choose by the base sampler with the same random numbers, so that like models choose alike; a guess stands if
 * the model's own choice is the same. The rows of a batch advance together, by the row whose guesses stand least far.
 *
 * @throws {ArgumentError} If a number is no whole number from 1, the draft is no model, or the base sampler does not choose
 *   token by token; in `generate`, if the draft has another vocabulary.
 * @see Leviathan et al. 2023; keras_hub.samplers.SpeculativeSampler
 */
export const SpeculativeSampler = (options: SpeculativeOptions = {}): Sampler<Tensor> => {
  refuseUnknown('speculative', options, ['draft', 'numSpeculativeTokens', 'baseSampler', 'seed']);
  const { draft, numSpeculativeTokens = 5, baseSampler = GreedySampler() as TokenSampler } = options;
  const seed = options.seed ?? baseSampler?.seed;
  const ahead = checkCount('speculative', 'numSpeculativeTokens', numSpeculativeTokens);
  checkSeed('speculative', seed);
  if (typeof baseSampler !== 'object' || typeof baseSampler?.step !== 'function')
    throw new ArgumentError(
      'speculative: expected a baseSampler that chooses token by token (greedy, random, top-k, top-p, one of your own), got another',
    );
  if (draft !== undefined && typeof draft?.backbone?.model?.apply !== 'function')
    throw new ArgumentError('speculative: expected a causal language model as draft, got something else');
  const decoding = speculativeDecoding(baseSampler, ahead, draft);
  const named = { name: 'speculative', seed };
  return Object.freeze<Sampler<Tensor>>({
    ...named,
    probabilities: baseSampler.probabilities,
    decoding,
    sample: sampleBy(named, decoding),
  });
};
