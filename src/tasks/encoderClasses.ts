import * as E from 'fp-ts/lib/Either.js';
import type { EncoderKerasLayout } from '../models/kerasLayout.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type { MaskedLMPreprocessor } from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { TextClassifierPreprocessor } from '../tokenizers/textClassifierPreprocessor.ts';
import type { Preset } from '../weights/index.ts';
import { type EncoderBackbone, encoderBackbone } from './encoderBackbone.ts';
import {
  type AnyEncoderFamily,
  type EncoderFamily,
  type MaskedLMPresetOptions,
  maskedLMPresetOptions,
  type TextClassifierPresetOptions,
  type TextEmbedderPresetOptions,
  textClassifierPresetOptions,
} from './encoderFamily.ts';
import { encoderReader } from './encoderLoading.ts';
import { encoderSaver } from './encoderSaving.ts';
import type { PreprocessorPresetOptions } from './family.ts';
import { type MaskedLM, type MaskedLMParts, maskedLM } from './maskedLM.ts';
import { type BackbonePresetOptions, backbonePresetOptions } from './presets.ts';
import { type TextClassifier, type TextClassifierParts, textClassifier } from './textClassifier.ts';
import { type TextEmbedder, type TextEmbedderParts, textEmbedder } from './textEmbedder.ts';

/** The functions that a family's classes are made of. */
export const encoderClasses = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
>(
  family: EncoderFamily<Config, Options, Params, T, K>,
) => {
  const { layout, presets } = family;
  const reader = encoderReader(family);
  const { open, backboneFrom, maskedLMPreprocessorFrom, textClassifierPreprocessorFrom } = reader;
  const names = {
    backbone: layout.backbone.className,
    tokenizer: layout.tokenizer.className,
    maskedLM: layout.maskedLM.className,
    maskedLMPreprocessor: layout.maskedLMPreprocessor.className,
    textClassifier: layout.textClassifier.className,
    textClassifierPreprocessor: layout.textClassifierPreprocessor.className,
  };

  const maskedLMOf = (parts: MaskedLMParts<Config, Params, T>): MaskedLM<Config, Params, T> =>
    maskedLM(names.maskedLM, family.maskedLMHead(parts.backbone.config), parts);

  const textClassifierOf = (parts: TextClassifierParts<Config, Params, T>): TextClassifier<Config, Params, T> =>
    textClassifier(
      names.textClassifier,
      ({ numClasses, dropout = family.classifier.dropout, hiddenDim }) =>
        family.classifierHead(parts.backbone.config, { numClasses, dropout, hiddenDim }),
      family.classifier.learningRate,
      parts,
    );

  const embedderName = names.textClassifier.replace(/TextClassifier$/, 'TextEmbedder');

  const textEmbedderOf = (parts: TextEmbedderParts<Config, Params, T>): TextEmbedder<Config, Params, T> =>
    textEmbedder(embedderName, parts);

  const maskedLMFrom = async (preset: Preset, options: MaskedLMPresetOptions) =>
    maskedLMOf(await reader.maskedLMParts(preset, options));

  const textClassifierFrom = async (preset: Preset, options: TextClassifierPresetOptions) =>
    textClassifierOf(await reader.textClassifierParts(preset, options));

  const textEmbedderFrom = async (preset: Preset, options: TextEmbedderPresetOptions) =>
    textEmbedderOf(await reader.textEmbedderParts(preset, options));

  const statics = <Own extends object>(own: Own) => ({
    ...own,
    /** Built-in presets by id. */
    presets,
  });

  return Object.freeze({
    backbone: {
      make: ({ seed = 0, ...options }: Options & { readonly seed?: number }): EncoderBackbone<Config, Params> => {
        const config = family.makeConfig(options as unknown as Options);
        if (E.isLeft(config)) throw new ArgumentError(config.left.message);
        refuseUnknown(names.backbone, options, family.optionNames ?? Object.keys(config.right));
        const model = family.model(config.right);
        return encoderBackbone(config.right, model, model.init(seed));
      },
      statics: statics({
        /** The backbone of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: BackbonePresetOptions = {},
        ): Promise<EncoderBackbone<Config, Params>> => {
          refuseUnknown(`${names.backbone}.fromPreset`, options, backbonePresetOptions);
          return backboneFrom(await open(names.backbone, preset, options), options);
        },
      }),
    },
    tokenizer: {
      statics: statics({
        /** The tokenizer of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (preset: string): Promise<T> =>
          family.tokenizer.open(await open(names.tokenizer, preset, { loadWeights: false })),
      }),
    },
    maskedLMPreprocessor: {
      statics: statics({
        /** The preprocessor of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: PreprocessorPresetOptions = {},
        ): Promise<MaskedLMPreprocessor<T, K>> => {
          refuseUnknown(`${names.maskedLMPreprocessor}.fromPreset`, options, ['sequenceLength']);
          return maskedLMPreprocessorFrom(
            await open(names.maskedLMPreprocessor, preset, { loadWeights: false }),
            options.sequenceLength,
          );
        },
      }),
    },
    textClassifierPreprocessor: {
      statics: statics({
        /** The preprocessor of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: PreprocessorPresetOptions = {},
        ): Promise<TextClassifierPreprocessor<T, K>> => {
          refuseUnknown(`${names.textClassifierPreprocessor}.fromPreset`, options, ['sequenceLength']);
          return textClassifierPreprocessorFrom(
            await open(names.textClassifierPreprocessor, preset, { loadWeights: false }),
            options.sequenceLength,
          );
        },
      }),
    },
    maskedLM: {
      make: maskedLMOf,
      statics: statics({
        /**
         * The masked LM of a preset folder, with the head that the folder has, else a random one, which is said once.
         *
         * @throws {PresetError} By rejection: what is wrong with the folder.
         */
        fromPreset: async (
          preset: string,
          options: MaskedLMPresetOptions = {},
        ): Promise<MaskedLM<Config, Params, T>> => {
          refuseUnknown(`${names.maskedLM}.fromPreset`, options, maskedLMPresetOptions);
          return maskedLMFrom(await open(names.maskedLM, preset, options), options);
        },
      }),
    },
    textClassifier: {
      make: textClassifierOf,
      statics: statics({
        /**
         * The classifier of a preset folder. Told `numClasses`, its head is a new one; else it is the folder's own.
         *
         * @throws {ArgumentError} By rejection, if neither the folder nor the options say how many classes there are.
         * @throws {PresetError} By rejection: what is wrong with the folder.
         */
        fromPreset: async (
          preset: string,
          options: TextClassifierPresetOptions = {},
        ): Promise<TextClassifier<Config, Params, T>> => {
          refuseUnknown(`${names.textClassifier}.fromPreset`, options, textClassifierPresetOptions);
          return textClassifierFrom(await open(names.textClassifier, preset, options), options);
        },
      }),
    },
    /** The same family for those who do not know which it is. */
    any: Object.freeze<AnyEncoderFamily>({
      family: family.family,
      layout: layout as unknown as EncoderKerasLayout<unknown>,
      presets,
      openTokenizer: family.tokenizer.open,
      kerasTask: encoderSaver(family),
      openBackbone: async (preset, options) => (await backboneFrom(preset, options)) as unknown as EncoderBackbone,
      openMaskedLM: async (preset, options) => (await maskedLMFrom(preset, options)) as unknown as MaskedLM,
      openTextClassifier: async (preset, options) =>
        (await textClassifierFrom(preset, options)) as unknown as TextClassifier,
      openTextEmbedder: async (preset, options) => (await textEmbedderFrom(preset, options)) as unknown as TextEmbedder,
    }),
  });
};
