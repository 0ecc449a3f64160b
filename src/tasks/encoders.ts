import * as O from 'fp-ts/lib/Option.js';
import type { PresetInfo } from '../models/presetInfo.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { type Family, readSentenceModules } from '../weights/index.ts';
import { albertFamily } from './albert.ts';
import { bertFamily } from './bert.ts';
import { debertaV3Family } from './debertaV3.ts';
import { distilBertFamily } from './distilBert.ts';
import {
  type AnyEncoderFamily,
  type MaskedLMPresetOptions,
  maskedLMPresetOptions,
  type TextClassifierPresetOptions,
  type TextEmbedderPresetOptions,
  textClassifierPresetOptions,
  textEmbedderPresetOptions,
} from './encoderFamily.ts';
import { fNetFamily } from './fNet.ts';
import type { MaskedLM as MaskedLMTask } from './maskedLM.ts';
import { openPresetFolder, orReject, presetFolder } from './presets.ts';
import { robertaFamily } from './roberta.ts';
import type { TextClassifier as TextClassifierTask } from './textClassifier.ts';
import { type TextEmbedderParts, type TextEmbedder as TextEmbedderTask, textEmbedder } from './textEmbedder.ts';
import { xlmRobertaFamily } from './xlmRoberta.ts';

/** The families of encoders, by name. */
export const encoderFamilies: ReadonlyMap<Family, AnyEncoderFamily> = new Map(
  [bertFamily, robertaFamily, xlmRobertaFamily, distilBertFamily, albertFamily, debertaV3Family, fNetFamily].map(
    (family) => [family.family, family],
  ),
);

/** The family that an opened preset is of. @throws {ArgumentError} If it is no encoder's. */
const familyOf = (name: string, family: Family, path: string): AnyEncoderFamily => {
  const known = encoderFamilies.get(family);
  if (known === undefined)
    throw new ArgumentError(
      `${name}: expected a preset of an encoder (${[...encoderFamilies.values()].map(({ layout }) => layout.backbone.className).join(', ')}), got one of the family ${family} in ${path}`,
    );
  return known;
};

/** The built-in presets of all encoders by id. */
const presets: ReadonlyMap<string, PresetInfo<unknown>> = new Map(
  [...encoderFamilies.values()].flatMap((family) => [...family.presets]),
);

/** A masked language model of whatever family; immutable. */
export type MaskedLM = MaskedLMTask;

/** The base class of masked language models: `fromPreset` finds the family in the preset's config. */
export const MaskedLM = Object.freeze({
  /**
   * The masked LM of a preset folder, whatever its family, with the head that the folder has.
   *
   * @param preset - A folder in KerasHub's or transformers' layout.
   * @throws {ArgumentError} By rejection, if an option is unknown, or the preset is of no encoder.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   * @see keras_hub.models.MaskedLM
   */
  fromPreset: async (preset: string, options: MaskedLMPresetOptions = {}): Promise<MaskedLMTask> => {
    refuseUnknown('MaskedLM.fromPreset', options, maskedLMPresetOptions);
    const opened = await openPresetFolder(preset, options);
    return familyOf('MaskedLM', opened.family, opened.path).openMaskedLM(opened, options);
  },
  /** Built-in presets by id. */
  presets,
});

/** A text classifier of whatever family; immutable. */
export type TextClassifier = TextClassifierTask;

/** The base class of text classifiers: `fromPreset` finds the family in the preset's config. */
export const TextClassifier = Object.freeze({
  /**
   * The classifier of a preset folder, whatever its family. Told `numClasses`, its head is a new one; else it is the folder's.
   *
   * @param preset - A folder in KerasHub's or transformers' layout.
   * @throws {ArgumentError} By rejection, if an option is unknown, the preset is of no encoder, or nobody says how many
   *   classes there are.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   * @see keras_hub.models.TextClassifier
   */
  fromPreset: async (preset: string, options: TextClassifierPresetOptions = {}): Promise<TextClassifierTask> => {
    refuseUnknown('TextClassifier.fromPreset', options, textClassifierPresetOptions);
    const opened = await openPresetFolder(preset, options);
    return familyOf('TextClassifier', opened.family, opened.path).openTextClassifier(opened, options);
  },
  /** Built-in presets by id. */
  presets,
});

/** An embedder of texts, of whatever family; immutable. */
export type TextEmbedder = TextEmbedderTask;

/**
 * An embedder of texts over any encoder's backbone and, for texts, the preprocessor of its classifier.
 *
 * @see keras_hub.models.TextEmbedder
 * @example
 * const embedder = TextEmbedder({ backbone, preprocessor, poolingMode: 'mean' });
 * const { data, shape } = await embedder.encodeText(['a quick fox', 'a lazy dog']); // [2, hiddenDim]
 */
export const TextEmbedder = Object.freeze(
  Object.assign(
    <Config, Params extends Tree, T extends Tokenizer>(
      parts: TextEmbedderParts<Config, Params, T>,
    ): TextEmbedderTask<Config, Params, T> => textEmbedder('TextEmbedder', parts),
    {
      /**
       * The embedder of a preset folder, whatever its family: KerasHub's, transformers', or one of sentence-transformers,
       * whose modules.json says how hidden states are pooled.
       *
       * @throws {ArgumentError} By rejection, if an option is unknown, or the preset is of no encoder.
       * @throws {PresetError} By rejection: what is wrong with the folder.
       */
      fromPreset: async (preset: string, options: TextEmbedderPresetOptions = {}): Promise<TextEmbedderTask> => {
        refuseUnknown('TextEmbedder.fromPreset', options, textEmbedderPresetOptions);
        const modules = orReject(await readSentenceModules(await presetFolder(preset, options))());
        if (O.isNone(modules)) {
          const opened = await openPresetFolder(preset, options);
          return familyOf('TextEmbedder', opened.family, opened.path).openTextEmbedder(opened, options);
        }
        const { encoder, poolingMode, normalize, maxSequenceLength } = modules.value;
        const opened = await openPresetFolder(encoder);
        return familyOf('TextEmbedder', opened.family, opened.path).openTextEmbedder(opened, {
          poolingMode,
          normalize,
          ...(maxSequenceLength === undefined ? {} : { sequenceLength: maxSequenceLength }),
          ...options,
        });
      },
    },
  ),
);
