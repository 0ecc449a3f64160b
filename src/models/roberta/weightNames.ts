import { bertLayerNames } from '../encoder/layerNames.ts';
import type { WeightTable } from '../weightEntry.ts';
import { encoderLayerEntries, encoderLayerRows, normRows, numbered, row, upTo } from '../weightRows.ts';
import type { RobertaConfig } from './config.ts';

/** Tensors of a masked LM's, classifier's or question answerer's head, which the backbone passes over. */
const heads = [
  'lm_head.bias',
  'lm_head.decoder.weight',
  'lm_head.decoder.bias',
  'lm_head.dense.weight',
  'lm_head.dense.bias',
  'lm_head.layer_norm.weight',
  'lm_head.layer_norm.bias',
  'classifier.dense.weight',
  'classifier.dense.bias',
  'classifier.out_proj.weight',
  'classifier.out_proj.bias',
  'classifier.weight',
  'classifier.bias',
  'qa_outputs.weight',
  'qa_outputs.bias',
];

/**
 * Every parameter of a RoBERTa or an XLM-RoBERTa with its names in both layouts.
 *
 * transformers adds the first row of its token-type table to every place, and begins its places some rows into its position
 * table: here both become one table of positions.
 *
 * @see keras_hub.models.RobertaBackbone, transformers.RobertaModel
 */
export const robertaWeights = (config: RobertaConfig): WeightTable => {
  const { vocabularySize, maxSequenceLength, hiddenDim, numLayers, reservedPositions, tokenTypes } = config;
  const layers = upTo(numLayers);
  const positionRows = reservedPositions + maxSequenceLength;
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
        {
          name: 'embeddings.position_embeddings.weight',
          shape: [positionRows, hiddenDim],
          part: { slice: { axis: 0, start: reservedPositions, end: positionRows } },
          plus: {
            name: 'embeddings.token_type_embeddings.weight',
            shape: [tokenTypes, hiddenDim],
            part: { slice: { axis: 0, start: 0, end: 1 } },
          },
        },
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
    ],
    layers: [
      { name: 'embeddings', path: ['embeddings'] },
      { name: 'position_embedding', path: ['positionEmbedding'] },
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'embeddings_layer_norm', path: ['embeddingsLayerNorm'] },
      ...layers.flatMap((index) => encoderLayerEntries(`transformer_layer_${index}`, ['transformerLayers', index])),
    ],
    transformersPrefix: 'roberta.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'embeddings.position_ids', why: 'the numbers 0, 1, 2, … that older versions saved' },
        ...['pooler.dense.weight', 'pooler.dense.bias'].map((name) => ({
          name,
          why: 'a pooler that no head reads, and KerasHub leaves out',
        })),
        ...heads.map((name) => ({ name, why: 'a head' })),
      ],
    },
  };
};
