import type { EncoderKerasLayout } from '../models/kerasLayout.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type {
  MaskedLMPreprocessor as MaskedLMPreprocessorOf,
  MaskedLMPreprocessorOptions,
} from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type {
  TextClassifierPreprocessor as TextClassifierPreprocessorOf,
  TextClassifierPreprocessorOptions,
} from '../tokenizers/textClassifierPreprocessor.ts';
import type { Preset } from '../weights/index.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import {
  type AnyEncoderFamily,
  type EncoderFamily,
  type MaskedLMPreprocessorPresetOptions,
  type MaskedLMPresetOptions,
  maskedLMPresetOptions,
  type TextClassifierPreprocessorPresetOptions,
  type TextClassifierPresetOptions,
  textClassifierPresetOptions,
} from './encoderFamily.ts';
import { encoderReader } from './encoderLoading.ts';
import { encoderSaver } from './encoderSaving.ts';
import { type FromPreset, presetClass, type TokenizerSource } from './family.ts';
import { type MaskedLMParts, type MaskedLM as MaskedLMTask, maskedLM } from './maskedLM.ts';
import {
  type TextClassifierParts,
  type TextClassifier as TextClassifierTask,
  textClassifier,
} from './textClassifier.ts';
import { type TextEmbedder, textEmbedder } from './textEmbedder.ts';
import type { Saving } from './withSaving.ts';

/** A class of preprocessors of masked LMs. */
export interface MaskedLMPreprocessorClass<Config, T extends MaskTokenizer, K extends EncoderInput>
  extends FromPreset<Saving<MaskedLMPreprocessorOf<T, K>>, MaskedLMPreprocessorPresetOptions, Config> {
  (options: MaskedLMPreprocessorOptions<T>): Saving<MaskedLMPreprocessorOf<T, K>>;
}

/** A class of preprocessors of classifiers. */
export interface TextClassifierPreprocessorClass<Config, T extends MaskTokenizer, K extends EncoderInput>
  extends FromPreset<Saving<TextClassifierPreprocessorOf<T, K>>, TextClassifierPreprocessorPresetOptions, Config> {
  (options: TextClassifierPreprocessorOptions<T>): Saving<TextClassifierPreprocessorOf<T, K>>;
}

/** A class of masked LMs. */
export interface MaskedLMClass<Config, Params extends Tree, T extends MaskTokenizer>
  extends FromPreset<MaskedLMTask<Config, Params, T>, MaskedLMPresetOptions, Config> {
  (parts: MaskedLMParts<Config, Params, T>): MaskedLMTask<Config, Params, T>;
  /**
   * The masked LM of a preset, with the head that the preset has, else a random one, which is said once.
   *
   * @throws {PresetError} By rejection: what is wrong with the folder.
   */
  readonly fromPreset: (preset: string, options?: MaskedLMPresetOptions) => Promise<MaskedLMTask<Config, Params, T>>;
}

/** A class of text classifiers. */
export interface TextClassifierClass<Config, Params extends Tree, T extends MaskTokenizer>
  extends FromPreset<TextClassifierTask<Config, Params, T>, TextClassifierPresetOptions, Config> {
  (parts: TextClassifierParts<Config, Params, T>): TextClassifierTask<Config, Params, T>;
  /**
   * The classifier of a preset. Told `numClasses`, its head is a new one; else it is the preset's own.
   *
   * @throws {ArgumentError} By rejection, if neither the folder nor the options say how many classes there are.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   */
  readonly fromPreset: (
    preset: string,
    options?: TextClassifierPresetOptions,
  ) => Promise<TextClassifierTask<Config, Params, T>>;
}

/** The classes of a family of encoders, and the `family` for those who do not know which it is. */
export const encoderClasses = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
  Source extends TokenizerSource<T>,
>(
  family: EncoderFamily<Config, Options, Params, T, K, Source>,
) => {
  const { layout, presets } = family;
  const { statics, preprocessorClass, Backbone, Tokenizer, ...reader } = encoderReader(family);
  const saver = encoderSaver(family);

  const MaskedLMPreprocessor: MaskedLMPreprocessorClass<Config, T, K> = preprocessorClass(
    layout.maskedLMPreprocessor.className,
    [
      ...(['sequenceLength', 'truncate', 'maskSelectionRate', 'maskSelectionLength'] as const),
      ...(['maskTokenRate', 'randomTokenRate', 'seed'] as const),
    ],
    family.maskedLMPreprocessor,
    reader.maskedLMPreprocessorFrom,
    saver.kerasPreprocessor,
  );

  const TextClassifierPreprocessor: TextClassifierPreprocessorClass<Config, T, K> = preprocessorClass(
    layout.textClassifierPreprocessor.className,
    ['sequenceLength', 'truncate'],
    family.textClassifierPreprocessor,
    reader.textClassifierPreprocessorFrom,
    saver.kerasPreprocessor,
  );

  const maskedLMOf = (parts: MaskedLMParts<Config, Params, T>): MaskedLMTask<Config, Params, T> =>
    maskedLM(layout.maskedLM.className, family.maskedLMHead(parts.backbone.config), parts);

  const maskedLMFrom = async (
    preset: Preset,
    options: MaskedLMPresetOptions,
  ): Promise<MaskedLMTask<Config, Params, T>> => maskedLMOf(await reader.maskedLMParts(preset, options));

  const MaskedLM: MaskedLMClass<Config, Params, T> = presetClass(
    maskedLMOf,
    statics(layout.maskedLM.className, maskedLMPresetOptions, maskedLMFrom),
  );

  const textClassifierOf = (parts: TextClassifierParts<Config, Params, T>): TextClassifierTask<Config, Params, T> =>
    textClassifier(
      layout.textClassifier.className,
      ({ numClasses, dropout = family.classifier.dropout, hiddenDim }) =>
        family.classifierHead(parts.backbone.config, { numClasses, dropout, hiddenDim }),
      family.classifier.learningRate,
      parts,
    );

  const textClassifierFrom = async (
    preset: Preset,
    options: TextClassifierPresetOptions,
  ): Promise<TextClassifierTask<Config, Params, T>> =>
    textClassifierOf(await reader.textClassifierParts(preset, options));

  const TextClassifier: TextClassifierClass<Config, Params, T> = presetClass(
    textClassifierOf,
    statics(layout.textClassifier.className, textClassifierPresetOptions, textClassifierFrom),
  );

  const embedderName = layout.textClassifier.className.replace(/TextClassifier$/, 'TextEmbedder');

  return Object.freeze({
    Backbone,
    Tokenizer,
    MaskedLMPreprocessor,
    TextClassifierPreprocessor,
    MaskedLM,
    TextClassifier,
    family: Object.freeze<AnyEncoderFamily>({
      family: family.family,
      layout: layout as unknown as EncoderKerasLayout<unknown>,
      presets,
      openModel: reader.openModel,
      openTokenizer: family.tokenizer.open,
      ...saver,
      openBackbone: async (preset, options) =>
        (await reader.openBackbone(preset, options)) as unknown as EncoderBackbone,
      openMaskedLM: async (preset, options) => (await maskedLMFrom(preset, options)) as unknown as MaskedLMTask,
      openTextClassifier: async (preset, options) =>
        (await textClassifierFrom(preset, options)) as unknown as TextClassifierTask,
      openTextEmbedder: async (preset, options) =>
        textEmbedder(embedderName, await reader.textEmbedderParts(preset, options)) as unknown as TextEmbedder,
    }),
  });
};
