import type { KerasClass } from '../models/kerasLayout.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type { MaskedLMPreprocessor } from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { TextClassifierPreprocessor } from '../tokenizers/textClassifierPreprocessor.ts';
import type { AnyEncoderFamily, EncoderFamily, SavedEncoderTask } from './encoderFamily.ts';
import type { TokenizerSource } from './family.ts';
import type { MaskedLM } from './maskedLM.ts';
import type { TextClassifier } from './textClassifier.ts';
import type { TextEmbedder } from './textEmbedder.ts';

/** How KerasHub writes a family of encoders down. */
export type EncoderSaver = Pick<AnyEncoderFamily, 'bases' | 'kerasPreprocessor' | 'kerasTask'>;

/** KerasHub's class for embeddings beside its class for classes. */
const embedderClass = ({ className, name }: KerasClass): KerasClass => ({
  className: className.replace('TextClassifier', 'TextEmbedder'),
  name: name.replace('text_classifier', 'text_embedder'),
});

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
): EncoderSaver => {
  const { layout } = family;
  const bases = ['MaskedLM', 'TextClassifier', ...(family.hasEmbedder === true ? ['TextEmbedder'] : [])];

  const kerasPreprocessor: EncoderSaver['kerasPreprocessor'] = (preprocessor) => {
    if ('maskSelectionRate' in preprocessor) {
      const own = preprocessor as MaskedLMPreprocessor<T, K>;
      return {
        kerasClass: layout.maskedLMPreprocessor,
        config: {
          sequence_length: own.sequenceLength,
          truncate: own.truncate,
          mask_selection_rate: own.maskSelectionRate,
          mask_selection_length: own.maskSelectionLength,
          mask_token_rate: own.maskTokenRate,
          random_token_rate: own.randomTokenRate,
        },
        tokenizer: family.tokenizer.save(own.tokenizer),
      };
    }
    const own = preprocessor as TextClassifierPreprocessor<T, K>;
    return {
      kerasClass: layout.textClassifierPreprocessor,
      config: { sequence_length: own.sequenceLength, truncate: own.truncate },
      tokenizer: family.tokenizer.save(own.tokenizer),
    };
  };

  /** An embedder, in the families of which KerasHub has one. */
  const embedder = ({ preprocessor, poolingMode, normalize }: TextEmbedder<Config, Params, T>): SavedEncoderTask => ({
    kerasClass: embedderClass(layout.textClassifier),
    bases,
    config: { pooling_mode: poolingMode, normalize },
    preprocessor: preprocessor && {
      ...kerasPreprocessor(preprocessor),
      kerasClass: embedderClass(layout.textClassifierPreprocessor),
    },
  });

  const kerasTask: EncoderSaver['kerasTask'] = (task) => {
    const { name, backbone } = task as Pick<MaskedLM<Config, Params, T>, 'name' | 'backbone'>;
    const { numSegments, hasPaddingMask } = backbone.model;
    if (name === layout.maskedLM.className) {
      const { preprocessor, params } = task as MaskedLM<Config, Params, T>;
      const inputs = 1 + Number(numSegments !== undefined) + Number(hasPaddingMask);
      const head = 'layers/masked_lm_head';
      return {
        kerasClass: layout.maskedLM,
        bases,
        preprocessor: preprocessor && kerasPreprocessor(preprocessor),
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
    if ('poolingMode' in task) {
      if (family.hasEmbedder === true) return embedder(task as TextEmbedder<Config, Params, T>);
      throw new ArgumentError(
        `saveToPreset: expected a ${layout.maskedLM.className} or a ${layout.textClassifier.className}, since KerasHub has no embedder over ${layout.backbone.className}, got a ${name}; save it in transformers' layout`,
      );
    }
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
      preprocessor: preprocessor && kerasPreprocessor(preprocessor),
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
  return { bases, kerasPreprocessor, kerasTask };
};
