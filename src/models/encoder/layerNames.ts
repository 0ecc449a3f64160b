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

/** Tensors of a masked LM's, classifier's or next-sentence head, as BERT and those after it name them in transformers' files. */
export const bertHeads: readonly string[] = [
  'cls.predictions.bias',
  'cls.predictions.decoder.weight',
  'cls.predictions.decoder.bias',
  'cls.predictions.transform.dense.weight',
  'cls.predictions.transform.dense.bias',
  'cls.predictions.transform.LayerNorm.weight',
  'cls.predictions.transform.LayerNorm.bias',
  'cls.seq_relationship.weight',
  'cls.seq_relationship.bias',
  'classifier.weight',
  'classifier.bias',
  'qa_outputs.weight',
  'qa_outputs.bias',
];
