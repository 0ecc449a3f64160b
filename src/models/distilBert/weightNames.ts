import type { WeightTable } from '../weightEntry.ts';
import { encoderLayerEntries, encoderLayerRows, normRows, numbered, row, upTo } from '../weightRows.ts';
import type { DistilBertConfig } from './config.ts';

/** Tensors of a masked LM's, classifier's or question answerer's head, which the backbone passes over. */
const heads = [
  'vocab_transform.weight',
  'vocab_transform.bias',
  'vocab_layer_norm.weight',
  'vocab_layer_norm.bias',
  'vocab_projector.weight',
  'vocab_projector.bias',
  'pre_classifier.weight',
  'pre_classifier.bias',
  'classifier.weight',
  'classifier.bias',
  'qa_outputs.weight',
  'qa_outputs.bias',
];

/**
 * Every parameter of a DistilBERT with its names in both layouts.
 *
 * @see keras_hub.models.DistilBertBackbone, transformers.DistilBertModel
 */
export const distilBertWeights = (config: DistilBertConfig): WeightTable => {
  const { vocabularySize, maxSequenceLength, hiddenDim, numLayers } = config;
  const layers = upTo(numLayers);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/token_and_position_embedding/token_embedding/vars/0',
        'embeddings.word_embeddings.weight',
      ),
      row(
        ['positionEmbedding', 'embeddings'],
        [maxSequenceLength, hiddenDim],
        'layers/token_and_position_embedding/position_embedding/vars/0',
        'embeddings.position_embeddings.weight',
      ),
      ...normRows(['embeddingsLayerNorm'], hiddenDim, 'layers/layer_normalization', 'embeddings.LayerNorm'),
      ...layers.flatMap((index) => {
        const block = `transformer.layer.${index}`;
        return encoderLayerRows(
          ['transformerLayers', index],
          config,
          `layers/${numbered('transformer_encoder', index)}`,
          {
            query: `${block}.attention.q_lin`,
            key: `${block}.attention.k_lin`,
            value: `${block}.attention.v_lin`,
            output: `${block}.attention.out_lin`,
            attentionNorm: `${block}.sa_layer_norm`,
            intermediate: `${block}.ffn.lin1`,
            outputDense: `${block}.ffn.lin2`,
            outputNorm: `${block}.output_layer_norm`,
          },
        );
      }),
    ],
    layers: [
      { name: 'token_and_position_embedding', path: ['embeddings'] },
      { name: 'position_embedding', path: ['positionEmbedding'] },
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'embeddings_layer_norm', path: ['embeddingsLayerNorm'] },
      ...layers.flatMap((index) => encoderLayerEntries(`transformer_layer_${index}`, ['transformerLayers', index])),
    ],
    transformersPrefix: 'distilbert.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'embeddings.position_ids', why: 'the numbers 0, 1, 2, … that older versions saved' },
        ...heads.map((name) => ({ name, why: 'a head' })),
      ],
    },
  };
};
