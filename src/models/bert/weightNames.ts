import { bertHeads, bertLayerNames } from '../encoder/layerNames.ts';
import type { TransformerEncoderConfig } from '../encoder/transformerEncoder.ts';
import type { WeightTable } from '../weightEntry.ts';
import { encoderLayerEntries, encoderLayerRows, linearRows, normRows, numbered, row, upTo } from '../weightRows.ts';

/**
 * Every parameter of a BERT with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @param config - The sizes, of whatever model has a BERT's parameters.
 * @see keras_hub.models.BertBackbone, transformers.BertModel
 */
export const bertWeights = (config: TransformerEncoderConfig & { readonly numSegments: number }): WeightTable => {
  const { vocabularySize, maxSequenceLength, numSegments, hiddenDim, numLayers } = config;
  const layers = upTo(numLayers);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/reversible_embedding/vars/0',
        'embeddings.word_embeddings.weight',
      ),
      row(
        ['positionEmbedding', 'embeddings'],
        [maxSequenceLength, hiddenDim],
        'layers/position_embedding/vars/0',
        'embeddings.position_embeddings.weight',
      ),
      row(
        ['segmentEmbedding', 'embeddings'],
        [numSegments, hiddenDim],
        'layers/embedding/vars/0',
        'embeddings.token_type_embeddings.weight',
      ),
      ...normRows(['embeddingsLayerNorm'], hiddenDim, 'layers/layer_normalization', 'embeddings.LayerNorm'),
      ...layers.flatMap((index) =>
        encoderLayerRows(
          ['transformerLayers', index],
          config,
          `layers/${numbered('transformer_encoder', index)}`,
          bertLayerNames(`encoder.layer.${index}`),
        ),
      ),
      // Saved with a masked LM's head alone, transformers leaves the pooler out.
      ...linearRows(['pooledDense'], [hiddenDim], [hiddenDim], 'layers/dense', 'pooler.dense').map((entry) => ({
        ...entry,
        isOptional: true,
      })),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'position_embedding', path: ['positionEmbedding'] },
      { name: 'segment_embedding', path: ['segmentEmbedding'] },
      { name: 'embeddings_layer_norm', path: ['embeddingsLayerNorm'] },
      ...layers.flatMap((index) => encoderLayerEntries(`transformer_layer_${index}`, ['transformerLayers', index])),
      { name: 'pooled_dense', path: ['pooledDense'] },
    ],
    transformersPrefix: 'bert.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'embeddings.position_ids', why: 'the numbers 0, 1, 2, … that older versions saved' },
        ...bertHeads.map((name) => ({ name, why: 'a head' })),
      ],
    },
  };
};
