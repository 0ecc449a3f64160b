import { bertHeads } from '../encoder/layerNames.ts';
import type { LayerEntry, ParamPath, WeightEntry, WeightTable } from '../weightEntry.ts';
import { linearRows, normRows, numbered, row, upTo } from '../weightRows.ts';
import type { FNetConfig } from './config.ts';

const layerRows = (index: number, { hiddenDim, intermediateDim }: FNetConfig): readonly WeightEntry[] => {
  const path: ParamPath = ['transformerLayers', index];
  const keras = `layers/${numbered('f_net_encoder', index)}`;
  const block = `encoder.layer.${index}`;
  return [
    ...normRows(
      [...path, 'mixingLayerNorm'],
      hiddenDim,
      `${keras}/_mixing_layer_norm`,
      `${block}.fourier.output.LayerNorm`,
    ),
    ...linearRows(
      [...path, 'intermediateDense'],
      [hiddenDim],
      [intermediateDim],
      `${keras}/_intermediate_dense`,
      `${block}.intermediate.dense`,
    ),
    ...linearRows(
      [...path, 'outputDense'],
      [intermediateDim],
      [hiddenDim],
      `${keras}/_output_dense`,
      `${block}.output.dense`,
    ),
    ...normRows([...path, 'outputLayerNorm'], hiddenDim, `${keras}/_output_layer_norm`, `${block}.output.LayerNorm`),
  ];
};

/** The layers of one layer: KerasHub walks a layer's layers backwards. */
const layerEntries = (index: number): readonly LayerEntry[] => {
  const path: ParamPath = ['transformerLayers', index];
  return [
    { name: `f_net_layer_${index}`, path },
    { name: 'output_dense', path: [...path, 'outputDense'] },
    { name: 'intermediate_dense', path: [...path, 'intermediateDense'] },
    { name: 'output_layer_norm', path: [...path, 'outputLayerNorm'] },
    { name: 'mixing_layer_norm', path: [...path, 'mixingLayerNorm'] },
  ];
};

/**
 * Every parameter of an FNet with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.FNetBackbone, transformers.FNetModel
 */
export const fNetWeights = (config: FNetConfig): WeightTable => {
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
      ...linearRows(['embeddingProjection'], [hiddenDim], [hiddenDim], 'layers/dense', 'embeddings.projection'),
      ...layers.flatMap((index) => layerRows(index, config)),
      // Saved without a pooler, transformers leaves it out.
      ...linearRows(['pooledDense'], [hiddenDim], [hiddenDim], 'layers/dense_1', 'pooler.dense').map((entry) => ({
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
      ...layers.flatMap(layerEntries),
      { name: 'pooled_dense', path: ['pooledDense'] },
    ],
    transformersPrefix: 'fnet.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'embeddings.position_ids', why: 'the numbers 0, 1, 2, … that older versions saved' },
        { name: 'embeddings.token_type_ids', why: 'the zeros that older versions saved' },
        ...bertHeads.map((name) => ({ name, why: 'a head' })),
      ],
    },
  };
};
