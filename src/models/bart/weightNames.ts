import { type LayerEntry, type ParamPath, type WeightEntry, type WeightTable, whole } from '../weightEntry.ts';
import {
  type AttentionNames,
  attentionEntries,
  attentionRows,
  type EncoderLayerNames,
  encoderLayerEntries,
  encoderLayerRows,
  normRows,
  numbered,
  postNormMlpRows,
  row,
  upTo,
} from '../weightRows.ts';
import type { BartConfig } from './config.ts';

/** A position table: transformers' has two more rows in front. */
const table = (
  path: ParamPath,
  { maxSequenceLength, hiddenDim }: BartConfig,
  keras: string,
  transformers: string,
): WeightEntry =>
  row([...path, 'embeddings'], [maxSequenceLength, hiddenDim], `${keras}/vars/0`, {
    name: `${transformers}.weight`,
    shape: [maxSequenceLength + 2, hiddenDim],
    part: { slice: { axis: 0, start: 2, end: maxSequenceLength + 2 } },
  });

const attentionNames = (attention: string): AttentionNames => ({
  query: `${attention}.q_proj`,
  key: `${attention}.k_proj`,
  value: `${attention}.v_proj`,
  output: `${attention}.out_proj`,
});

/** A decoder layer has these too. */
const encoderLayerNames = (block: string): EncoderLayerNames => ({
  ...attentionNames(`${block}.self_attn`),
  attentionNorm: `${block}.self_attn_layer_norm`,
  intermediate: `${block}.fc1`,
  outputDense: `${block}.fc2`,
  outputNorm: `${block}.final_layer_norm`,
});

const decoderLayerRows = (
  { hiddenDim, decoderNumHeads: numHeads, decoderIntermediateDim: intermediateDim }: BartConfig,
  index: number,
): readonly WeightEntry[] => {
  const path = ['decoderTransformerLayers', index];
  const keras = `layers/${numbered('transformer_decoder', index)}`;
  const block = `decoder.layers.${index}`;
  const names = encoderLayerNames(block);
  const sizes = { hiddenDim, numHeads, intermediateDim };
  return [
    ...attentionRows([...path, 'selfAttention'], sizes, `${keras}/_self_attention_layer`, names),
    ...normRows(
      [...path, 'selfAttentionLayerNorm'],
      hiddenDim,
      `${keras}/_self_attention_layer_norm`,
      names.attentionNorm,
    ),
    ...attentionRows(
      [...path, 'crossAttention'],
      sizes,
      `${keras}/_cross_attention_layer`,
      attentionNames(`${block}.encoder_attn`),
    ),
    ...normRows(
      [...path, 'crossAttentionLayerNorm'],
      hiddenDim,
      `${keras}/_cross_attention_layer_norm`,
      `${block}.encoder_attn_layer_norm`,
    ),
    ...postNormMlpRows(path, sizes, keras, names),
  ];
};

/** The layers of one decoder layer: KerasHub walks a layer's layers backwards. */
const decoderLayerEntries = (index: number): readonly LayerEntry[] => {
  const path = ['decoderTransformerLayers', index];
  return [
    { name: `transformer_decoder_layer_${index}`, path },
    { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
    { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
    { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
    { name: 'cross_attention_layer_norm', path: [...path, 'crossAttentionLayerNorm'] },
    ...attentionEntries('cross_attention', [...path, 'crossAttention']),
    { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
    ...attentionEntries('self_attention', [...path, 'selfAttention']),
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
  return {
    entries: [
      row(['tokenEmbedding', 'embeddings'], [vocabularySize, hiddenDim], 'layers/reversible_embedding/vars/0', {
        ...whole('shared.weight', [vocabularySize, hiddenDim]),
        otherNames: tableNames.slice(1),
      }),
      table(['encoderPositionEmbedding'], config, 'layers/position_embedding', 'encoder.embed_positions'),
      ...normRows(
        ['encoderEmbeddingsLayerNorm'],
        hiddenDim,
        'layers/layer_normalization',
        'encoder.layernorm_embedding',
      ),
      ...upTo(numLayers).flatMap((index) =>
        encoderLayerRows(
          ['encoderTransformerLayers', index],
          config,
          `layers/${numbered('transformer_encoder', index)}`,
          encoderLayerNames(`encoder.layers.${index}`),
        ),
      ),
      table(['decoderPositionEmbedding'], config, 'layers/position_embedding_1', 'decoder.embed_positions'),
      ...normRows(
        ['decoderEmbeddingsLayerNorm'],
        hiddenDim,
        'layers/layer_normalization_1',
        'decoder.layernorm_embedding',
      ),
      ...upTo(decoderNumLayers).flatMap((index) => decoderLayerRows(config, index)),
      // KerasHub has no such bias: a config with one is never read from its layout, nor written in it.
      ...(config.finalLogitsBias
        ? [
            row(
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
      ...upTo(numLayers).flatMap((index) =>
        encoderLayerEntries(`transformer_encoder_layer_${index}`, ['encoderTransformerLayers', index]),
      ),
      ...upTo(decoderNumLayers).flatMap(decoderLayerEntries),
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
