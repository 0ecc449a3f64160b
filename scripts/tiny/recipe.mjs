// @ts-check
// How the shipped preset is trained: every number of it.

/** @typedef {import('./examples.mjs').Lesson} Lesson */

/**
 * @typedef {object} Recipe
 * @property {number} seed - Of the weights, the stories and the random tokens.
 * @property {{ readonly numLayers: number, readonly numHeads: number, readonly hiddenDim: number, readonly intermediateDim: number, readonly maxSequenceLength: number }} sizes
 * @property {number} stories - Rows of a batch that are stories.
 * @property {number} repeats - Rows of the same batch that are random tokens, repeated.
 * @property {readonly Lesson[]} lessons - Steps of random tokens alone, in rows that grow longer.
 * @property {number} every - Every so manyth step is one of stories, the others are lessons.
 * @property {number} steps - In all.
 * @property {number} learningRate - At its highest, after the rise.
 * @property {number} rise - Steps of the rise.
 * @property {number} stepsPerEpoch - Steps between two points of the loss curve, and between two checkpoints.
 */

/** @type {Recipe} */
export const recipe = {
  seed: 20,
  sizes: { numLayers: 4, numHeads: 4, hiddenDim: 96, intermediateDim: 384, maxSequenceLength: 160 },
  stories: 13,
  repeats: 3,
  lessons: [
    { steps: 350, rows: 106, width: 12 },
    { steps: 40, rows: 80, width: 16 },
    { steps: 80, rows: 53, width: 24 },
    { steps: 80, rows: 40, width: 32 },
    { steps: 120, rows: 26, width: 48 },
    { steps: 120, rows: 20, width: 64 },
    { steps: 120, rows: 16, width: 80 },
  ],
  every: 3,
  steps: 4000,
  learningRate: 6e-3,
  rise: 50,
  stepsPerEpoch: 25,
};
