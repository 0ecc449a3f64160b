import type { EncoderLayerNames } from '../weightRows.ts';

/**
 * Where transformers keeps an encoder layer's parts in the models that follow its BERT.
 *
 * @param block - What all the names begin with: `encoder.layer.0`.
 */
export const bertLayerNames = (block: string): EncoderLayerNames => ({
  query: `${block}.attention.self.query`,
  key: `${block}.attention.self.key`,
  value: `${block}.attention.self.value`,
  output: `${block}.attention.output.dense`,
  attentionNorm: `${block}.attention.output.LayerNorm`,
  intermediate: `${block}.intermediate.dense`,
  outputDense: `${block}.output.dense`,
  outputNorm: `${block}.output.LayerNorm`,
});
