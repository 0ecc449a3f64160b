import type { WeightTable } from '../weightEntry.ts';
import { encoderLayerEntries, encoderLayerRows, linearRows, normRows, numbered, row } from '../weightRows.ts';
import type { AlbertConfig } from './config.ts';

/** Tensors of a masked LM's, classifier's, sentence order's or question answerer's head, which the backbone passes over. */
const heads = [
  'predictions.bias',
  'predictions.dense.weight',
  'predictions.dense.bias',
  'predictions.LayerNorm.weight',
  'predictions.LayerNorm.bias',
  'predictions.decoder.weight',
  'predictions.decoder.bias',
  'sop_classifier.classifier.weight',
  'sop_classifier.classifier.bias',
  'classifier.weight',
  'classifier.bias',
  'qa_outputs.weight',
  'qa_outputs.bias',
];

/** The layers that have parameters of their own, in order: every group's, one after the other. */
export const albertLayers = ({
  numGroups,
  numInnerRepetitions,
}: AlbertConfig): readonly { readonly group: number; readonly inner: number; readonly name: string }[] =>
  Array.from({ length: numGroups * numInnerRepetitions }, (_, index) => {
    const group = Math.floor(index / numInnerRepetitions);
    const inner = index % numInnerRepetitions;
    return { group, inner, name: `group_${group}_inner_layer_${inner}` };
  });

/**
 * Every parameter of an ALBERT with its names in both layouts.
 *
 * @see keras_hub.models.AlbertBackbone, transformers.AlbertModel
 */
export const albertWeights = (config: AlbertConfig): WeightTable => {
  const { vocabularySize, maxSequenceLength, numSegments, embeddingDim, hiddenDim } = config;
  const layers = albertLayers(config);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, embeddingDim],
        'layers/reversible_embedding/vars/0',
        'embeddings.word_embeddings.weight',
      ),
      row(
        ['positionEmbedding', 'embeddings'],
        [maxSequenceLength, embeddingDim],
        'layers/position_embedding/vars/0',
        'embeddings.position_embeddings.weight',
      ),
      row(
        ['segmentEmbedding', 'embeddings'],
        [numSegments, embeddingDim],
        'layers/embedding/vars/0',
        'embeddings.token_type_embeddings.weight',
      ),
      ...normRows(['embeddingsLayerNorm'], embeddingDim, 'layers/layer_normalization', 'embeddings.LayerNorm'),
      ...linearRows(
        ['embeddingProjection'],
        [embeddingDim],
        [hiddenDim],
        'layers/dense',
        'encoder.embedding_hidden_mapping_in',
      ),
      ...layers.flatMap(({ group, inner }, index) => {
        const block = `encoder.albert_layer_groups.${group}.albert_layers.${inner}`;
        return encoderLayerRows(
          ['transformerLayers', index],
          config,
          `layers/${numbered('transformer_encoder', index)}`,
          {
            query: `${block}.attention.query`,
            key: `${block}.attention.key`,
            value: `${block}.attention.value`,
            output: `${block}.attention.dense`,
            attentionNorm: `${block}.attention.LayerNorm`,
            intermediate: `${block}.ffn`,
            outputDense: `${block}.ffn_output`,
            outputNorm: `${block}.full_layer_layer_norm`,
          },
        );
      }),
      // Saved with a masked LM's head alone, transformers leaves the pooler out.
      ...linearRows(['pooledDense'], [hiddenDim], [hiddenDim], 'layers/dense_1', 'pooler').map((entry) => ({
        ...entry,
        isOptional: true,
      })),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'position_embedding', path: ['positionEmbedding'] },
      { name: 'segment_embedding', path: ['segmentEmbedding'] },
      { name: 'embeddings_layer_norm', path: ['embeddingsLayerNorm'] },
      { name: 'embedding_projection', path: ['embeddingProjection'] },
      ...layers.flatMap(({ name }, index) => encoderLayerEntries(name, ['transformerLayers', index])),
      { name: 'pooled_dense', path: ['pooledDense'] },
    ],
    transformersPrefix: 'albert.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'embeddings.position_ids', why: 'the numbers 0, 1, 2, … that older versions saved' },
        ...heads.map((name) => ({ name, why: 'a head' })),
      ],
    },
  };
};
