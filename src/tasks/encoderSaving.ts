import { ArgumentError } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { EncoderFamily, SavedEncoderTask } from './encoderFamily.ts';
import type { TokenizerSource } from './family.ts';
import type { MaskedLM } from './maskedLM.ts';
import type { TextClassifier } from './textClassifier.ts';

/** Tasks of a family of encoders as KerasHub writes them down. */
export const encoderSaver = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
  Source extends TokenizerSource<T>,
>(
  family: EncoderFamily<Config, Options, Params, T, K, Source>,
): ((task: object) => SavedEncoderTask) => {
  const { layout } = family;
  const bases = ['MaskedLM', 'TextClassifier', ...(family.hasEmbedder === true ? ['TextEmbedder'] : [])];

  return (task) => {
    const { name, backbone } = task as Pick<MaskedLM<Config, Params, T>, 'name' | 'backbone'>;
    const { numSegments, hasPaddingMask } = backbone.model;
    if (name === layout.maskedLM.className) {
      const { preprocessor, params } = task as MaskedLM<Config, Params, T>;
      const inputs = 1 + Number(numSegments !== undefined) + Number(hasPaddingMask);
      const head = 'layers/masked_lm_head';
      return {
        kerasClass: layout.maskedLM,
        bases,
        preprocessor: preprocessor && {
          kerasClass: layout.maskedLMPreprocessor,
          config: {
            sequence_length: preprocessor.sequenceLength,
            truncate: preprocessor.truncate,
            mask_selection_rate: preprocessor.maskSelectionRate,
            mask_selection_length: preprocessor.maskSelectionLength,
            mask_token_rate: preprocessor.maskTokenRate,
            random_token_rate: preprocessor.randomTokenRate,
          },
          tokenizer: family.tokenizer.save(preprocessor.tokenizer),
        },
        head: {
          table: family.maskedLMHead(backbone.config).weights,
          params: params.head,
          groups: [
            ['', layout.maskedLM.name],
            [`layers/input_layer_${inputs}`, 'mask_positions'],
            [head, 'mlm_head'],
            [`${head}/_intermediate_dense`, 'intermediate_dense'],
            [`${head}/_intermediate_layer_norm`, 'intermediate_layer_norm'],
          ],
        },
      };
    }
    if (name !== layout.textClassifier.className)
      throw new ArgumentError(
        `saveKerasPreset: expected a ${layout.maskedLM.className} or a ${layout.textClassifier.className}, got a ${name}; save the task over its backbone`,
      );
    const classifier = task as TextClassifier<Config, Params, T>;
    const { preprocessor, numClasses, activation, dropout = family.classifier.dropout, params } = classifier;
    const { pooledDense } = params.head;
    return {
      kerasClass: layout.textClassifier,
      bases,
      config: {
        num_classes: numClasses,
        activation,
        ...(pooledDense === undefined ? {} : { hidden_dim: pooledDense.kernel.shape[1] }),
        dropout,
      },
      preprocessor: preprocessor && {
        kerasClass: layout.textClassifierPreprocessor,
        config: { sequence_length: preprocessor.sequenceLength, truncate: preprocessor.truncate },
        tokenizer: family.tokenizer.save(preprocessor.tokenizer),
      },
      head: {
        table: family.classifierHead(backbone.config, {
          numClasses,
          dropout,
          hiddenDim: pooledDense?.kernel.shape[1],
        }).weights,
        params: params.head,
        groups: [
          ['', layout.textClassifier.name],
          ...(pooledDense === undefined
            ? ([['layers/dense', 'logits']] as const)
            : ([
                ['layers/dense', 'pooled_dense'],
                ['layers/dense_1', 'logits'],
              ] as const)),
        ],
      },
    };
  };
};
