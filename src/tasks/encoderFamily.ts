import type { ClassifierHeadParams, Head, MaskedLMHeadInputs, MaskedLMHeadParams } from '../models/encoder/heads.ts';
import type { EncoderModel, EncoderOutputs } from '../models/encoderModel.ts';
import type { EncoderKerasLayout } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { WeightTable } from '../models/weightEntry.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type { MaskedLMPreprocessor, MaskedLMPreprocessorOptions } from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { Truncate } from '../tokenizers/multiSegmentPacker.ts';
import type {
  TextClassifierPreprocessor,
  TextClassifierPreprocessorOptions,
} from '../tokenizers/textClassifierPreprocessor.ts';
import type { Family, KerasPreprocessor, KerasTask, Preset } from '../weights/index.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import type { FamilyRecord, OpenedModel, PreprocessorPresetOptions, TokenizerSource } from './family.ts';
import type { AnyMaskedLMPreprocessor, MaskedLM } from './maskedLM.ts';
import { type BackbonePresetOptions, backbonePresetOptions } from './presets.ts';
import type { AnyTextClassifierPreprocessor, ClassifierOptions, TextClassifier } from './textClassifier.ts';
import type { TextEmbedder, TextEmbedderOptions } from './textEmbedder.ts';

/** Options of a masked LM's `fromPreset`. */
export interface MaskedLMPresetOptions extends BackbonePresetOptions {
  /** Null: no preprocessor, so tokens in. Default: the preset's. */
  readonly preprocessor?: AnyMaskedLMPreprocessor | null;
}

/** Options of a classifier's `fromPreset`. */
export interface TextClassifierPresetOptions extends BackbonePresetOptions, Partial<ClassifierOptions> {
  /** Null: no preprocessor, so tokens in. Default: the preset's. */
  readonly preprocessor?: AnyTextClassifierPreprocessor | null;
}

/** Options of an embedder's `fromPreset`. */
export interface TextEmbedderPresetOptions extends BackbonePresetOptions, TextEmbedderOptions {
  /** Null: no preprocessor, so tokens in. Default: the preset's. */
  readonly preprocessor?: AnyTextClassifierPreprocessor | null;
  /** The length of every row at most. Default: what the preset says, else 256. */
  readonly sequenceLength?: number;
}

/** The names of the options that an embedder's `fromPreset` takes. */
export const textEmbedderPresetOptions = [
  ...backbonePresetOptions,
  'preprocessor',
  'poolingMode',
  'normalize',
  'sequenceLength',
] as const;

/** The names of the options that a masked LM's `fromPreset` takes. */
export const maskedLMPresetOptions = [...backbonePresetOptions, 'preprocessor'] as const;

/** The names of the options that a classifier's `fromPreset` takes. */
export const textClassifierPresetOptions = [
  ...maskedLMPresetOptions,
  'numClasses',
  'activation',
  'dropout',
  'hiddenDim',
] as const;

/** What the `fromPreset` of a classifier's preprocessor may change; what is not given is the preset's. */
export interface TextClassifierPreprocessorPresetOptions extends PreprocessorPresetOptions {
  /** How segments share a row that is too short. */
  readonly truncate?: Truncate;
}

/** What the `fromPreset` of a masked LM's preprocessor may change: these, and how much is masked. */
export interface MaskedLMPreprocessorPresetOptions
  extends TextClassifierPreprocessorPresetOptions,
    Pick<
      MaskedLMPreprocessorOptions<MaskTokenizer>,
      'maskSelectionRate' | 'maskSelectionLength' | 'maskTokenRate' | 'randomTokenRate' | 'seed'
    > {}

/** All that makes a family of encoders: its classes and `fromPreset` come out of it. */
export interface EncoderFamily<
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
  Source extends TokenizerSource<T>,
> extends FamilyRecord<Config, Options, EncoderModel<Params>, T, Source> {
  readonly layout: EncoderKerasLayout<Config>;
  readonly maskedLMHead: (config: Config) => Head<MaskedLMHeadParams, MaskedLMHeadInputs>;
  readonly classifierHead: (
    config: Config,
    options: Required<Pick<ClassifierOptions, 'numClasses' | 'dropout'>> & { readonly hiddenDim?: number | undefined },
  ) => Head<ClassifierHeadParams, EncoderOutputs>;
  /** What a classifier is where it is told nothing: its dropout, and its optimizer's learning rate. */
  readonly classifier: { readonly dropout: number; readonly learningRate: number };
  /** Whether KerasHub has a class for embeddings of this family. Default false. */
  readonly hasEmbedder?: boolean;
  readonly maskedLMPreprocessor: (options: MaskedLMPreprocessorOptions<T>) => MaskedLMPreprocessor<T, K>;
  readonly textClassifierPreprocessor: (
    options: TextClassifierPreprocessorOptions<T>,
  ) => TextClassifierPreprocessor<T, K>;
}

/** A task's own part of a preset in KerasHub's layout, without its numbers. */
export interface SavedEncoderTask extends Omit<KerasTask, 'head'> {
  /** The table of the head, its parameters, and its layers' groups; none for a backbone alone. */
  readonly head?:
    | {
        readonly table: WeightTable;
        readonly params: Tree;
        readonly groups: readonly (readonly [group: string, name: string])[];
      }
    | undefined;
}

/** A family as those see it who do not know which it is. */
export interface AnyEncoderFamily {
  readonly family: Family;
  readonly layout: EncoderKerasLayout<unknown>;
  /** The built-in presets by id. */
  readonly presets: ReadonlyMap<string, PresetInfo<unknown>>;
  /** What a preset's config says, without its weights. */
  readonly openModel: (preset: Preset) => OpenedModel;
  /** The tokenizer that an opened preset holds. */
  readonly openTokenizer: (preset: Preset) => Promise<MaskTokenizer>;
  /** Base classes of the tasks that KerasHub has of the family. */
  readonly bases: readonly string[];
  /** A preprocessor of the family's masked LM or classifier as KerasHub writes it down. */
  readonly kerasPreprocessor: (preprocessor: object) => KerasPreprocessor;
  /** A task of the family, or an embedder, as KerasHub writes it down. */
  readonly kerasTask: (task: object) => SavedEncoderTask;
  readonly openBackbone: (preset: Preset, options: BackbonePresetOptions) => Promise<EncoderBackbone>;
  readonly openMaskedLM: (preset: Preset, options: MaskedLMPresetOptions) => Promise<MaskedLM>;
  readonly openTextClassifier: (preset: Preset, options: TextClassifierPresetOptions) => Promise<TextClassifier>;
  readonly openTextEmbedder: (preset: Preset, options: TextEmbedderPresetOptions) => Promise<TextEmbedder>;
}
