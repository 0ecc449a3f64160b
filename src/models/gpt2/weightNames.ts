import type { Shape } from '../../tensor/shape.ts';
import {
  columns,
  type LayerEntry,
  type ParamPath,
  type WeightEntry,
  type WeightSource,
  type WeightTable,
  whole,
} from '../weightEntry.ts';
import type { GPT2Config } from './config.ts';

/** One entry whose Keras source is the whole parameter; transformers' is as given, or whole under the given name. */
const entry = (path: ParamPath, shape: Shape, keras: string, transformers: string | WeightSource): WeightEntry => ({
  path,
  shape,
  sources: {
    keras: whole(keras, shape),
    transformers: typeof transformers === 'string' ? whole(transformers, shape) : transformers,
  },
});

/** Gain and offset of a layer norm. */
const norm = (path: ParamPath, width: number, keras: string, transformers: string): readonly WeightEntry[] => [
  entry([...path, 'gamma'], [width], `${keras}/vars/0`, `${transformers}.weight`),
  entry([...path, 'beta'], [width], `${keras}/vars/1`, `${transformers}.bias`),
];

/** Kernel `[from, to]` and bias `[to]`: transformers' Conv1D keeps its kernel the same way round. */
const dense = (path: ParamPath, from: number, to: number, keras: string, conv1d: string): readonly WeightEntry[] => [
  entry([...path, 'kernel'], [from, to], `${keras}/vars/0`, `${conv1d}.weight`),
  entry([...path, 'bias'], [to], `${keras}/vars/1`, `${conv1d}.bias`),
];

const layer = (config: GPT2Config, index: number): readonly WeightEntry[] => {
  const { hiddenDim: h, numHeads: n, intermediateDim } = config;
  const headDim = h / n;
  const path = ['transformerLayers', index];
  // Keras numbers the groups of one class: the first has no number.
  const keras = `layers/transformer_decoder${index === 0 ? '' : `_${index}`}`;
  const attention = `${keras}/_self_attention_layer`;
  const block = `h.${index}`;

  // c_attn holds [query | key | value] side by side: [h, 3h] and [3h].
  const projection = (name: string, part: number): readonly WeightEntry[] => [
    entry(
      [...path, 'selfAttention', name, 'kernel'],
      [h, n, headDim],
      `${attention}/${name}_dense/vars/0`,
      columns(`${block}.attn.c_attn.weight`, [h, 3 * h], part, 3),
    ),
    entry(
      [...path, 'selfAttention', name, 'bias'],
      [n, headDim],
      `${attention}/${name}_dense/vars/1`,
      columns(`${block}.attn.c_attn.bias`, [3 * h], part, 3),
    ),
  ];
  return [
    ...norm([...path, 'selfAttentionLayerNorm'], h, `${keras}/_self_attention_layer_norm`, `${block}.ln_1`),
    ...projection('query', 0),
    ...projection('key', 1),
    ...projection('value', 2),
    entry(
      [...path, 'selfAttention', 'output', 'kernel'],
      [n, headDim, h],
      `${attention}/output_dense/vars/0`,
      whole(`${block}.attn.c_proj.weight`, [h, h]),
    ),
    entry(
      [...path, 'selfAttention', 'output', 'bias'],
      [h],
      `${attention}/output_dense/vars/1`,
      `${block}.attn.c_proj.bias`,
    ),
    ...norm([...path, 'feedforwardLayerNorm'], h, `${keras}/_feedforward_layer_norm`, `${block}.ln_2`),
    ...dense(
      [...path, 'feedforwardIntermediateDense'],
      h,
      intermediateDim,
      `${keras}/_feedforward_intermediate_dense`,
      `${block}.mlp.c_fc`,
    ),
    ...dense(
      [...path, 'feedforwardOutputDense'],
      intermediateDim,
      h,
      `${keras}/_feedforward_output_dense`,
      `${block}.mlp.c_proj`,
    ),
  ];
};

/** The layers of one block: KerasHub walks the block's layers backwards. */
const blockLayers = (index: number): readonly LayerEntry[] => {
  const path = ['transformerLayers', index];
  const attention = [...path, 'selfAttention'];
  return [
    { name: `transformer_layer_${index}`, path },
    { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
    { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
    { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
    { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
    { name: 'self_attention', path: attention },
    { name: 'attention_output', path: [...attention, 'output'] },
    { name: 'value', path: [...attention, 'value'] },
    { name: 'key', path: [...attention, 'key'] },
    { name: 'query', path: [...attention, 'query'] },
  ];
};

/**
 * Every parameter of a GPT-2 with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.GPT2Backbone, transformers.GPT2LMHeadModel
 */
export const gpt2Weights = (config: GPT2Config): WeightTable => {
  const { vocabularySize, maxSequenceLength, hiddenDim, numLayers } = config;
  const layers = Array.from({ length: numLayers }, (_, index) => index);
  return {
    entries: [
      entry(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/reversible_embedding/vars/0',
        'wte.weight',
      ),
      entry(
        ['positionEmbedding', 'embeddings'],
        [maxSequenceLength, hiddenDim],
        'layers/position_embedding/vars/0',
        'wpe.weight',
      ),
      ...layers.flatMap((index) => layer(config, index)),
      ...norm(['layerNorm'], hiddenDim, 'layers/layer_normalization', 'ln_f'),
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
