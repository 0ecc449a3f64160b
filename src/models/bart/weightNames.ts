import type { Shape } from '../../tensor/shape.ts';
import {
  type LayerEntry,
  type ParamPath,
  transposed,
  type WeightEntry,
  type WeightSource,
  type WeightTable,
  whole,
} from '../weightEntry.ts';
import type { BartConfig } from './config.ts';

const entry = (path: ParamPath, shape: Shape, keras: string, transformers: WeightSource): WeightEntry => ({
  path,
  shape,
  sources: { keras: whole(keras, shape), transformers },
});

/** Gain and offset of a layer norm. */
const norm = (path: ParamPath, width: number, keras: string, transformers: string): readonly WeightEntry[] => [
  entry([...path, 'gamma'], [width], `${keras}/vars/0`, whole(`${transformers}.weight`, [width])),
  entry([...path, 'beta'], [width], `${keras}/vars/1`, whole(`${transformers}.bias`, [width])),
];

/** Kernel and bias of a linear layer: `from` and `to` may be several axes, which transformers has as one. */
const linear = (
  path: ParamPath,
  from: Shape,
  to: Shape,
  keras: string,
  transformers: string,
): readonly WeightEntry[] => {
  const [inputs, outputs] = [from, to].map((axes) => axes.reduce((a, b) => a * b, 1)) as [number, number];
  return [
    entry(
      [...path, 'kernel'],
      [...from, ...to],
      `${keras}/vars/0`,
      transposed(`${transformers}.weight`, [outputs, inputs]),
    ),
    entry([...path, 'bias'], to, `${keras}/vars/1`, whole(`${transformers}.bias`, [outputs])),
  ];
};

/** A position table: transformers' has two more rows in front. */
const table = (
  path: ParamPath,
  { maxSequenceLength, hiddenDim }: BartConfig,
  keras: string,
  transformers: string,
): WeightEntry =>
  entry([...path, 'embeddings'], [maxSequenceLength, hiddenDim], `${keras}/vars/0`, {
    name: `${transformers}.weight`,
    shape: [maxSequenceLength + 2, hiddenDim],
    part: { slice: { axis: 0, start: 2, end: maxSequenceLength + 2 } },
  });

const attention = (
  path: ParamPath,
  hiddenDim: number,
  heads: number,
  keras: string,
  transformers: string,
): readonly WeightEntry[] => {
  const split = [heads, hiddenDim / heads];
  return [
    ...linear([...path, 'query'], [hiddenDim], split, `${keras}/query_dense`, `${transformers}.q_proj`),
    ...linear([...path, 'key'], [hiddenDim], split, `${keras}/key_dense`, `${transformers}.k_proj`),
    ...linear([...path, 'value'], [hiddenDim], split, `${keras}/value_dense`, `${transformers}.v_proj`),
    ...linear([...path, 'output'], split, [hiddenDim], `${keras}/output_dense`, `${transformers}.out_proj`),
  ];
};

/** Keras numbers the groups of one class: the first has no number. */
const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

const layer = (config: BartConfig, stack: 'encoder' | 'decoder', index: number): readonly WeightEntry[] => {
  const { hiddenDim } = config;
  const isDecoder = stack === 'decoder';
  const heads = isDecoder ? config.decoderNumHeads : config.numHeads;
  const width = isDecoder ? config.decoderIntermediateDim : config.intermediateDim;
  const path = [`${stack}TransformerLayers`, index];
  const keras = `layers/${numbered(`transformer_${stack}`, index)}`;
  const block = `${stack}.layers.${index}`;
  return [
    ...attention([...path, 'selfAttention'], hiddenDim, heads, `${keras}/_self_attention_layer`, `${block}.self_attn`),
    ...norm(
      [...path, 'selfAttentionLayerNorm'],
      hiddenDim,
      `${keras}/_self_attention_layer_norm`,
      `${block}.self_attn_layer_norm`,
    ),
    ...(isDecoder
      ? [
          ...attention(
            [...path, 'crossAttention'],
            hiddenDim,
            heads,
            `${keras}/_cross_attention_layer`,
            `${block}.encoder_attn`,
          ),
          ...norm(
            [...path, 'crossAttentionLayerNorm'],
            hiddenDim,
            `${keras}/_cross_attention_layer_norm`,
            `${block}.encoder_attn_layer_norm`,
          ),
        ]
      : []),
    ...linear(
      [...path, 'feedforwardIntermediateDense'],
      [hiddenDim],
      [width],
      `${keras}/_feedforward_intermediate_dense`,
      `${block}.fc1`,
    ),
    ...linear(
      [...path, 'feedforwardOutputDense'],
      [width],
      [hiddenDim],
      `${keras}/_feedforward_output_dense`,
      `${block}.fc2`,
    ),
    ...norm(
      [...path, 'feedforwardLayerNorm'],
      hiddenDim,
      `${keras}/_feedforward_layer_norm`,
      `${block}.final_layer_norm`,
    ),
  ];
};

/** An attention layer and what is in it: KerasHub walks backwards. */
const attentionLayers = (name: string, path: ParamPath): readonly LayerEntry[] => [
  { name, path },
  { name: 'attention_output', path: [...path, 'output'] },
  { name: 'value', path: [...path, 'value'] },
  { name: 'key', path: [...path, 'key'] },
  { name: 'query', path: [...path, 'query'] },
];

const encoderBlock = (index: number): readonly LayerEntry[] => {
  const path = ['encoderTransformerLayers', index];
  return [
    { name: `transformer_encoder_layer_${index}`, path },
    { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
    { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
    { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
    { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
    ...attentionLayers('self_attention_layer', [...path, 'selfAttention']),
  ];
};

const decoderBlock = (index: number): readonly LayerEntry[] => {
  const path = ['decoderTransformerLayers', index];
  return [
    { name: `transformer_decoder_layer_${index}`, path },
    { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
    { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
    { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
    { name: 'cross_attention_layer_norm', path: [...path, 'crossAttentionLayerNorm'] },
    ...attentionLayers('cross_attention', [...path, 'crossAttention']),
    { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
    ...attentionLayers('self_attention', [...path, 'selfAttention']),
  ];
};

/** The names under which transformers' files may hold the one token table; it ties them when it loads. */
const tableNames = ['shared.weight', 'encoder.embed_tokens.weight', 'decoder.embed_tokens.weight', 'lm_head.weight'];

/**
 * Every parameter of a BART with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.BartBackbone, transformers.BartForConditionalGeneration
 */
export const bartWeights = (config: BartConfig): WeightTable => {
  const { vocabularySize, hiddenDim, numLayers, decoderNumLayers } = config;
  const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
  return {
    entries: [
      entry(['tokenEmbedding', 'embeddings'], [vocabularySize, hiddenDim], 'layers/reversible_embedding/vars/0', {
        ...whole('shared.weight', [vocabularySize, hiddenDim]),
        otherNames: tableNames.slice(1),
      }),
      table(['encoderPositionEmbedding'], config, 'layers/position_embedding', 'encoder.embed_positions'),
      ...norm(['encoderEmbeddingsLayerNorm'], hiddenDim, 'layers/layer_normalization', 'encoder.layernorm_embedding'),
      ...upTo(numLayers).flatMap((index) => layer(config, 'encoder', index)),
      table(['decoderPositionEmbedding'], config, 'layers/position_embedding_1', 'decoder.embed_positions'),
      ...norm(['decoderEmbeddingsLayerNorm'], hiddenDim, 'layers/layer_normalization_1', 'decoder.layernorm_embedding'),
      ...upTo(decoderNumLayers).flatMap((index) => layer(config, 'decoder', index)),
      // KerasHub has no such bias: a config with one is never read from its layout, nor written in it.
      ...(config.finalLogitsBias
        ? [
            entry(
              ['finalLogitsBias'],
              [vocabularySize],
              'final_logits_bias',
              whole('final_logits_bias', [1, vocabularySize]),
            ),
          ]
        : []),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'encoder_position_embedding', path: ['encoderPositionEmbedding'] },
      { name: 'decoder_position_embedding', path: ['decoderPositionEmbedding'] },
      { name: 'encoder_embeddings_layer_norm', path: ['encoderEmbeddingsLayerNorm'] },
      { name: 'decoder_embeddings_layer_norm', path: ['decoderEmbeddingsLayerNorm'] },
      ...upTo(numLayers).flatMap(encoderBlock),
      ...upTo(decoderNumLayers).flatMap(decoderBlock),
    ],
    transformersPrefix: 'model.',
    ignored: {
      keras: [],
      transformers: [
        ...(config.finalLogitsBias
          ? []
          : [
              { name: 'final_logits_bias', why: 'a bias of zeros; others are read with finalLogitsBias in the config' },
            ]),
        { name: 'encoder.version', why: 'a number that older versions saved' },
        { name: 'decoder.version', why: 'a number that older versions saved' },
      ],
    },
  };
};
