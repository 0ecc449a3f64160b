// @ts-check
// The model that the shipped preset is trained from, before its first step.

/** @typedef {typeof import('../../src/index.ts')} Library */
/** @typedef {import('../../src/index.ts').Tensor} Tensor */
/** @typedef {ReturnType<Library['GPT2Backbone']>} Backbone */

/** Standard deviation that KerasHub starts kernels and tables with. */
const usual = 0.02;

/**
 * A GPT-2 with random weights from a seed, drawn so that it learns sooner to look at earlier places.
 *
 * - Tables and kernels have the sizes that go with so narrow a model: 0.1 for tables and attention, 0.03 for the rest.
 * - The position table is waves with random phases: places that are near are alike.
 * - Keys begin near queries, and output kernels near the value kernels' transpose: heads begin by looking for places like
 *   their own and by copying what is there.
 *
 * @see Trockman and Kolter 2023, "Mimetic initialization of self-attention layers"
 * @param {Library} library
 * @param {Parameters<Library['GPT2Backbone']>[0] & { readonly seed: number }} options
 * @returns {Backbone}
 */
export const initialBackbone = ({ GPT2Backbone, ops, tensor }, options) => {
  const backbone = GPT2Backbone(options);
  const { hiddenDim, numHeads, maxSequenceLength } = backbone.config;
  /** @type {(x: Tensor, deviation: number) => Tensor} */
  const scaled = (x, deviation) => ops.multiply(x, deviation / usual);

  // Wave lengths from 3 to 300 places, evenly spread; drawn at random, they learn at very different speeds.
  const pairs = hiddenDim / 2;
  const frequencies = Float32Array.from({ length: pairs }, (_, i) => (2 * Math.PI) / (3 * 100 ** (i / (pairs - 1))));
  const frequency = tensor(frequencies, { shape: [1, pairs] });
  const phase = ops.multiply(ops.uniform(ops.foldIn(ops.key(options.seed), 2 ** 30), [1, pairs]), 2 * Math.PI);
  const places = ops.reshape(ops.cast(ops.arange(maxSequenceLength), 'float32'), [maxSequenceLength, 1]);
  const angle = ops.add(ops.multiply(places, frequency), phase);
  const waves = ops.concatenate([ops.sin(angle), ops.cos(angle)], { axis: -1 });

  const { tokenEmbedding, transformerLayers, layerNorm } = backbone.params;
  return backbone.withParams({
    tokenEmbedding: { embeddings: scaled(tokenEmbedding.embeddings, 0.1) },
    positionEmbedding: { embeddings: ops.multiply(waves, 0.1 * Math.SQRT2) },
    transformerLayers: transformerLayers.map((layer) => {
      const { query, key, value, output } = layer.selfAttention;
      const { feedforwardIntermediateDense: rise, feedforwardOutputDense: fall } = layer;
      const queryKernel = scaled(query.kernel, 0.1);
      const valueKernel = scaled(value.kernel, 0.1);
      const transposed = ops.reshape(ops.transpose(ops.reshape(valueKernel, [hiddenDim, hiddenDim])), [
        numHeads,
        hiddenDim / numHeads,
        hiddenDim,
      ]);
      return {
        ...layer,
        selfAttention: {
          query: { ...query, kernel: queryKernel },
          key: { ...key, kernel: ops.add(queryKernel, key.kernel) },
          value: { ...value, kernel: valueKernel },
          output: { ...output, kernel: ops.add(transposed, output.kernel) },
        },
        feedforwardIntermediateDense: { ...rise, kernel: scaled(rise.kernel, 0.03) },
        feedforwardOutputDense: { ...fall, kernel: scaled(fall.kernel, 0.03) },
      };
    }),
    layerNorm,
  });
};
