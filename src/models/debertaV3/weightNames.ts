import { bertHeads } from '../encoder/layerNames.ts';
import type { WeightEntry, WeightSource, WeightTable } from '../weightEntry.ts';
import { encoderLayerEntries, encoderLayerRows, normRows, numbered, row, upTo } from '../weightRows.ts';
import type { DebertaV3Config } from './config.ts';

/** Tensors of a masked LM's or classifier's head, which the backbone passes over. */
const heads = [
  ...bertHeads,
  'lm_predictions.lm_head.bias',
  'lm_predictions.lm_head.dense.weight',
  'lm_predictions.lm_head.dense.bias',
  'lm_predictions.lm_head.LayerNorm.weight',
  'lm_predictions.lm_head.LayerNorm.bias',
  'pooler.dense.weight',
  'pooler.dense.bias',
];

/** Tensors of the checkpoints of pretraining: the head that tells replaced tokens from the text's own. */
const replacedTokenHead = [
  'mask_predictions.dense.weight',
  'mask_predictions.dense.bias',
  'mask_predictions.LayerNorm.weight',
  'mask_predictions.LayerNorm.bias',
  'mask_predictions.classifier.weight',
  'mask_predictions.classifier.bias',
];

/** KerasHub has the output's kernel as a matrix, whose rows are heads one after the other. */
const withMatrix = (entries: readonly WeightEntry[], hiddenDim: number): readonly WeightEntry[] =>
  entries.map((entry) => {
    const [kernel, part] = entry.path.slice(-2);
    if (kernel !== 'output' || part !== 'kernel') return entry;
    const shape = [hiddenDim, hiddenDim];
    const keras: WeightSource = { ...entry.sources.keras, shape };
    return { ...entry, shape, sources: { ...entry.sources, keras } };
  });

/** KerasHub names the attention's layers otherwise than those of its other encoders. */
const withNames = (entries: readonly WeightEntry[]): readonly WeightEntry[] =>
  entries.map((entry) => {
    const { keras } = entry.sources;
    const name = keras.name.replace(
      /_self_attention_layer\/(query|key|value|output)_dense/,
      '_self_attention_layer/_$1_dense',
    );
    return { ...entry, sources: { ...entry.sources, keras: { ...keras, name } } };
  });

/**
 * Every parameter of a DeBERTa V3 with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.DebertaV3Backbone, transformers.DebertaV2Model
 */
export const debertaV3Weights = (config: DebertaV3Config): WeightTable => {
  const { vocabularySize, bucketSize, hiddenDim, numLayers } = config;
  const layers = upTo(numLayers);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/reversible_embedding/vars/0',
        'embeddings.word_embeddings.weight',
      ),
      ...normRows(['embeddingsLayerNorm'], hiddenDim, 'layers/layer_normalization', 'embeddings.LayerNorm'),
      row(
        ['relEmbedding', 'embeddings'],
        [2 * bucketSize, hiddenDim],
        'layers/relative_embedding/vars/0',
        'encoder.rel_embeddings.weight',
      ),
      ...normRows(
        ['relEmbedding', 'layerNorm'],
        hiddenDim,
        'layers/relative_embedding/layer_norm',
        'encoder.LayerNorm',
      ),
      ...layers.flatMap((index) => {
        const block = `encoder.layer.${index}`;
        const keras = `layers/${numbered('disentangled_attention_encoder', index)}`;
        const entries = encoderLayerRows(['transformerLayers', index], config, keras, {
          query: `${block}.attention.self.query_proj`,
          key: `${block}.attention.self.key_proj`,
          value: `${block}.attention.self.value_proj`,
          output: `${block}.attention.output.dense`,
          attentionNorm: `${block}.attention.output.LayerNorm`,
          intermediate: `${block}.intermediate.dense`,
          outputDense: `${block}.output.dense`,
          outputNorm: `${block}.output.LayerNorm`,
        });
        return withNames(withMatrix(entries, hiddenDim));
      }),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      { name: 'embeddings_layer_norm', path: ['embeddingsLayerNorm'] },
      { name: 'rel_embedding', path: ['relEmbedding'] },
      { name: 'rel_embeddings_layer_norm', path: ['relEmbedding', 'layerNorm'] },
      ...layers.flatMap((index) =>
        encoderLayerEntries(`disentangled_attention_encoder_layer_${index}`, ['transformerLayers', index]),
      ),
    ],
    transformersPrefix: 'deberta.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'embeddings.position_ids', why: 'the numbers 0, 1, 2, … that older versions saved' },
        { name: 'embeddings.position_embeddings.weight', why: 'position_biased_input says that it is not read' },
        ...heads.map((name) => ({ name, why: 'a head' })),
        ...replacedTokenHead.map((name) => ({ name, why: 'a head for pretraining' })),
      ],
    },
  };
};
