import { columns, type LayerEntry, type WeightEntry, type WeightTable } from '../weightEntry.ts';
import { attentionEntries, linearRows, normRows, numbered, row, upTo } from '../weightRows.ts';
import type { GPT2Config } from './config.ts';

/** transformers' Conv1D keeps its kernel the same way round. */
const conv1d = { isTransposed: false };

const layer = (config: GPT2Config, index: number): readonly WeightEntry[] => {
  const { hiddenDim: h, numHeads: n, intermediateDim } = config;
  const headDim = h / n;
  const path = ['transformerLayers', index];
  const keras = `layers/${numbered('transformer_decoder', index)}`;
  const attention = `${keras}/_self_attention_layer`;
  const block = `h.${index}`;

  // c_attn holds [query | key | value] side by side: [h, 3h] and [3h].
  const projection = (name: string, part: number): readonly WeightEntry[] => [
    row(
      [...path, 'selfAttention', name, 'kernel'],
      [h, n, headDim],
      `${attention}/${name}_dense/vars/0`,
      columns(`${block}.attn.c_attn.weight`, [h, 3 * h], part, 3),
    ),
    row(
      [...path, 'selfAttention', name, 'bias'],
      [n, headDim],
      `${attention}/${name}_dense/vars/1`,
      columns(`${block}.attn.c_attn.bias`, [3 * h], part, 3),
    ),
  ];
  return [
    ...normRows([...path, 'selfAttentionLayerNorm'], h, `${keras}/_self_attention_layer_norm`, `${block}.ln_1`),
    ...projection('query', 0),
    ...projection('key', 1),
    ...projection('value', 2),
    ...linearRows(
      [...path, 'selfAttention', 'output'],
      [n, headDim],
      [h],
      `${attention}/output_dense`,
      `${block}.attn.c_proj`,
      conv1d,
    ),
    ...normRows([...path, 'feedforwardLayerNorm'], h, `${keras}/_feedforward_layer_norm`, `${block}.ln_2`),
    ...linearRows(
      [...path, 'feedforwardIntermediateDense'],
      [h],
      [intermediateDim],
      `${keras}/_feedforward_intermediate_dense`,
      `${block}.mlp.c_fc`,
      conv1d,
    ),
    ...linearRows(
      [...path, 'feedforwardOutputDense'],
      [intermediateDim],
      [h],
      `${keras}/_feedforward_output_dense`,
      `${block}.mlp.c_proj`,
      conv1d,
    ),
  ];
};

/** The layers of one block: KerasHub walks the block's layers backwards. */
const blockLayers = (index: number): readonly LayerEntry[] => {
  const path = ['transformerLayers', index];
  return [
    { name: `transformer_layer_${index}`, path },
    { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
    { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
    { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
    { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
    ...attentionEntries('self_attention', [...path, 'selfAttention']),
  ];
};

/**
 * Every parameter of a GPT-2 with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.GPT2Backbone, transformers.GPT2LMHeadModel
 */
export const gpt2Weights = (config: GPT2Config): WeightTable => {
  const { vocabularySize, maxSequenceLength, hiddenDim, numLayers } = config;
  const layers = upTo(numLayers);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/reversible_embedding/vars/0',
        'wte.weight',
      ),
      row(
        ['positionEmbedding', 'embeddings'],
        [maxSequenceLength, hiddenDim],
        'layers/position_embedding/vars/0',
        'wpe.weight',
      ),
      ...layers.flatMap((index) => layer(config, index)),
      ...normRows(['layerNorm'], hiddenDim, 'layers/layer_normalization', 'ln_f'),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'position_embedding', path: ['positionEmbedding'] },
      ...layers.flatMap(blockLayers),
      { name: 'layer_norm', path: ['layerNorm'] },
    ],
    transformersPrefix: 'transformer.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'lm_head.weight', why: 'the output table is the token embedding itself' },
        ...layers.flatMap((index) => [
          { name: `h.${index}.attn.bias`, why: 'a causal mask that older versions saved' },
          { name: `h.${index}.attn.masked_bias`, why: 'a mask value that older versions saved' },
        ]),
      ],
    },
  };
};
