import * as E from 'fp-ts/lib/Either.js';
import { type ConfigError, preview } from '../configReader.ts';
import type { Seq2SeqKerasLayout } from '../kerasLayout.ts';
import type { BartConfig } from './config.ts';

/** A name as Keras counts it: the first of a kind has no number. */
const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

/** The fields that KerasHub's BART has one value for, as far as the config has another. */
const unsaid = (config: BartConfig): readonly (readonly [field: string, expected: unknown, got: unknown])[] =>
  (
    [
      ['decoderNumLayers', config.numLayers, config.decoderNumLayers],
      ['decoderNumHeads', config.numHeads, config.decoderNumHeads],
      ['decoderIntermediateDim', config.intermediateDim, config.decoderIntermediateDim],
      ['activation', 'gelu', config.activation],
      ['scaleEmbedding', false, config.scaleEmbedding],
      ['finalLogitsBias', false, config.finalLogitsBias],
    ] as const
  ).filter(([, expected, got]) => expected !== got);

/** An attention layer and what is in it; `count` is how many others the backbone has before. */
const attention = (path: string, name: string, count: number): readonly (readonly [group: string, name: string])[] => [
  [path, name],
  [`${path}/query_dense`, 'query'],
  [`${path}/key_dense`, 'key'],
  [`${path}/value_dense`, 'value'],
  [`${path}/_softmax`, numbered('softmax', count)],
  [`${path}/_dropout_layer`, numbered('dropout', count)],
  [`${path}/output_dense`, 'attention_output'],
];

const feedforward = (path: string): readonly (readonly [group: string, name: string])[] => [
  [`${path}/_feedforward_layer_norm`, 'feedforward_layer_norm'],
  [`${path}/_feedforward_intermediate_dense`, 'feedforward_intermediate_dense'],
  [`${path}/_feedforward_output_dense`, 'feedforward_output_dense'],
  [`${path}/_feedforward_dropout`, 'feedforward_dropout'],
];

/** How both stacks begin. */
const embeddings = (stack: string, index: number): readonly (readonly [group: string, name: string])[] => [
  [`layers/${numbered('position_embedding', index)}`, `${stack}_position_embedding`],
  [`layers/${numbered('add', index)}`, `${stack}_embeddings_add`],
  [`layers/${numbered('layer_normalization', index)}`, `${stack}_embeddings_layer_norm`],
  [`layers/${numbered('dropout', index)}`, `${stack}_embeddings_dropout`],
];

/**
 * How KerasHub writes a BART down.
 *
 * @see keras_hub.models.BartBackbone, keras_hub.models.BartSeq2SeqLM
 */
export const bartKerasLayout: Seq2SeqKerasLayout<BartConfig> = {
  folder: 'bart',
  backbone: { className: 'BartBackbone', name: 'bart_backbone' },
  tokenizer: { className: 'BartTokenizer', name: 'bart_tokenizer' },
  seq2seqLM: { className: 'BartSeq2SeqLM', name: 'bart_seq2_seq_lm', module: 'bart_seq_2_seq_lm' },
  seq2seqLMPreprocessor: {
    className: 'BartSeq2SeqLMPreprocessor',
    name: 'bart_seq2_seq_lm_preprocessor',
    module: 'bart_seq_2_seq_lm_preprocessor',
  },

  config: (config): E.Either<ConfigError, Readonly<Record<string, unknown>>> => {
    const problems = unsaid(config).map(
      ([field, expected, got]) => `${field} ${preview(expected)}, got ${preview(got)}`,
    );
    return problems.length > 0
      ? E.left({
          _tag: 'WrongConfig',
          message: `BartBackbone: expected what KerasHub's layout can say: ${problems.join('; ')}; write transformers' layout instead`,
        })
      : E.right({
          vocabulary_size: config.vocabularySize,
          num_layers: config.numLayers,
          num_heads: config.numHeads,
          hidden_dim: config.hiddenDim,
          intermediate_dim: config.intermediateDim,
          dropout: config.dropout,
          max_sequence_length: config.maxSequenceLength,
        });
  },

  layers: ({ numLayers }) => [
    ['', 'bart_backbone'],
    ['layers/input_layer', 'decoder_token_ids'],
    ['layers/input_layer_1', 'encoder_token_ids'],
    ['layers/input_layer_2', 'encoder_padding_mask'],
    ['layers/input_layer_3', 'decoder_padding_mask'],
    ['layers/reversible_embedding', 'token_embedding'],
    ...embeddings('encoder', 0),
    ...embeddings('decoder', 1),
    ...Array.from({ length: numLayers }, (_, index) => index).flatMap((index) => {
      const path = `layers/${numbered('transformer_encoder', index)}`;
      return [
        [path, `transformer_encoder_layer_${index}`] as const,
        ...attention(`${path}/_self_attention_layer`, 'self_attention_layer', index),
        [`${path}/_self_attention_layer_norm`, 'self_attention_layer_norm'] as const,
        [`${path}/_self_attention_dropout`, 'self_attention_dropout'] as const,
        ...feedforward(path),
      ];
    }),
    ...Array.from({ length: numLayers }, (_, index) => index).flatMap((index) => {
      const path = `layers/${numbered('transformer_decoder', index)}`;
      const before = numLayers + 2 * index;
      return [
        [path, `transformer_decoder_layer_${index}`] as const,
        ...attention(`${path}/_self_attention_layer`, 'self_attention', before),
        [`${path}/_self_attention_layer_norm`, 'self_attention_layer_norm'] as const,
        [`${path}/_self_attention_dropout`, 'self_attention_dropout'] as const,
        ...attention(`${path}/_cross_attention_layer`, 'cross_attention', before + 1),
        [`${path}/_cross_attention_layer_norm`, 'cross_attention_layer_norm'] as const,
        [`${path}/_cross_attention_dropout`, 'cross_attention_dropout'] as const,
        ...feedforward(path),
      ];
    }),
  ],
};
