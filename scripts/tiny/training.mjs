// @ts-check
// The training of the shipped preset, as a function: `train.mjs` runs it, and so do the tests, in small.
import { drawFrom } from './draw.mjs';
import { examples } from './examples.mjs';
import { initialBackbone } from './model.mjs';

/** @typedef {import('./model.mjs').Library} Library */
/** @typedef {import('./recipe.mjs').Recipe} Recipe */
/** @typedef {ReturnType<Library['GPT2CausalLM']>} Model */

/**
 * Trains by the recipe, from random weights, with the library's own `fit`.
 *
 * @param {Library} library
 * @param {object} options
 * @param {import('./draw.mjs').Threefry} options.threefry - The library's.
 * @param {Recipe} options.recipe
 * @param {ReturnType<Library['GPT2Tokenizer']>} options.tokenizer
 * @param {string} [options.checkpoint] - A folder that is written after each epoch.
 * @param {boolean} [options.resume] - Go on from the checkpoint.
 * @param {string} [options.curve] - A CSV file with the loss of each epoch.
 * @param {(progress: import('../../src/index.ts').FitProgress) => void} [options.onProgress]
 * @returns {Promise<{ readonly task: Model, readonly history: Readonly<Record<string, readonly number[]>> }>}
 */
export const trainModel = async (library, { threefry, recipe, tokenizer, checkpoint, resume, curve, onProgress }) => {
  const { AdamW, CosineDecay, CSVLogger, GPT2CausalLM, GPT2CausalLMPreprocessor, ModelCheckpoint } = library;
  const { seed, sizes, steps, rise, stepsPerEpoch } = recipe;
  const positions = sizes.maxSequenceLength;
  const lm = GPT2CausalLM({
    backbone: initialBackbone(library, { ...sizes, vocabularySize: tokenizer.vocabularySize, dropout: 0, seed }),
    preprocessor: GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: positions }),
  }).compile({
    optimizer: AdamW({
      learningRate: CosineDecay({
        initialLearningRate: 0,
        warmupTarget: recipe.learningRate,
        warmupSteps: rise,
        decaySteps: Math.max(1, steps - rise),
        alpha: 0.02,
      }),
      beta2: 0.98,
      weightDecay: 0.01,
      globalClipnorm: 1,
    }),
    weightedMetrics: [],
  });
  return lm.fit(() => examples({ ...recipe, threefry, tokenizer, positions }), {
    epochs: Math.ceil(steps / stepsPerEpoch),
    stepsPerEpoch: Math.min(steps, stepsPerEpoch),
    seed,
    callbacks: [
      ...(curve === undefined ? [] : [CSVLogger(curve, { append: resume === true })]),
      ...(checkpoint === undefined ? [] : [ModelCheckpoint({ folder: checkpoint })]),
    ],
    ...(resume === true && checkpoint !== undefined ? { resumeFrom: checkpoint } : {}),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
};

/**
 * How much better a model knows random tokens the second time: the mean loss of each half of rows that are a random
 * sequence twice.
 *
 * @param {Library} library
 * @param {{ readonly score: Model['score'], readonly tokenizer: { readonly endTokenId: number } | null }} lm
 * @param {{ readonly threefry: import('./draw.mjs').Threefry, readonly length: number, readonly rows?: number, readonly seed?: number }} options
 * @returns {Promise<{ readonly first: number, readonly second: number }>} In nats a token.
 */
export const inductionOf = async ({ read }, lm, { threefry, length, rows = 16, seed = 1 }) => {
  const end = lm.tokenizer?.endTokenId ?? 0;
  const draw = drawFrom(threefry, seed, length);
  const all = Array.from({ length: rows }, () => {
    const half = Array.from({ length }, () => draw.below(end));
    return [end, ...half, ...half];
  });
  const losses = await read(
    lm.score({
      tokenIds: all.map((row) => row.slice(0, -1)),
      targetIds: all.map((row) => row.slice(1)),
      scoringMode: 'loss',
    }),
  );
  /** @param {number} half */
  const mean = (half) => {
    const own = Array.from(losses.data).filter((_, at) => Math.floor((at % (2 * length)) / length) === half);
    return own.reduce((sum, loss) => sum + loss, 0) / own.length;
  };
  return { first: mean(0), second: mean(1) };
};
