import type { Seq2SeqKerasLayout } from '../models/kerasLayout.ts';
import type { Seq2SeqModel } from '../models/seq2seqModel.ts';
import type { SamplerLike } from '../samplers/getSampler.ts';
import type { Tree } from '../tensor/tree.ts';
import type {
  Seq2SeqLengths,
  Seq2SeqLMPreprocessor,
  Seq2SeqLMPreprocessorOptions,
} from '../tokenizers/seq2seqLMPreprocessor.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { KerasPreprocessor, Preset } from '../weights/index.ts';
import { type FamilyRecord, type FromPreset, familyParts, type TokenizerSource } from './family.ts';
import { type AnyGenerativeFamily, type GenerativePresetOptions, generativeTask } from './generativeFamily.ts';
import { type BackbonePresetOptions, type FindPresetOptions, madeOf, taskPresetOptions } from './presets.ts';
import { seq2seqBackbone } from './seq2seqBackbone.ts';
import { type Seq2SeqLM, type Seq2SeqLMParts, seq2seqLM } from './seq2seqLM.ts';
import type { Saving } from './withSaving.ts';

/** Options of a sequence-to-sequence task's `fromPreset`. */
export interface Seq2SeqPresetOptions extends BackbonePresetOptions {
  /** Null: no preprocessor, so token ids in and out. Default: the preset's. */
  readonly preprocessor?: Seq2SeqLMPreprocessor | null;
  /** Default `'top_k'`. */
  readonly sampler?: SamplerLike;
}

/** The names of these options. */
export const seq2seqPresetOptions = taskPresetOptions;

/** All that makes a family of sequence-to-sequence models: its classes, `fromPreset` and saving come out of it. */
export interface Seq2SeqFamily<
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
> extends FamilyRecord<Config, Options, Seq2SeqModel<Params>, T, Source> {
  readonly layout: Seq2SeqKerasLayout<Config>;
  readonly preprocessor: (options: Seq2SeqLMPreprocessorOptions<T>) => Seq2SeqLMPreprocessor<T>;
}

/** A family of sequence-to-sequence models as those see it who do not know which it is. */
export type AnySeq2SeqFamily = AnyGenerativeFamily<Seq2SeqLM>;

/** A class of preprocessors of sequence-to-sequence models; lengths that `fromPreset` is not told are as the model reads. */
export interface Seq2SeqLMPreprocessorClass<Config, T extends Tokenizer>
  extends FromPreset<Saving<Seq2SeqLMPreprocessor<T>>, Seq2SeqLengths & FindPresetOptions, Config> {
  (options: Seq2SeqLMPreprocessorOptions<T>): Saving<Seq2SeqLMPreprocessor<T>>;
}

/** A class of sequence-to-sequence language models. */
export interface Seq2SeqLMClass<Config, Params extends Tree, T extends Tokenizer>
  extends FromPreset<Seq2SeqLM<Config, Params, T>, GenerativePresetOptions<Seq2SeqLMPreprocessor<T>>, Config> {
  (parts: Seq2SeqLMParts<Config, Params, T>): Seq2SeqLM<Config, Params, T>;
}

/** KerasHub's default length of a row. */
const SEQUENCE_LENGTH = 1024;

/** The classes of a family of sequence-to-sequence models, and the `family` for those who do not know which it is. */
export const seq2seqClasses = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
>(
  family: Seq2SeqFamily<Config, Options, Params, T, Source>,
) => {
  const { layout } = family;
  const parts = familyParts(family, seq2seqBackbone<Config, Params>);

  /** Neither layout saves lengths: as long as the model reads, and KerasHub's default at most. */
  const preprocessorFrom = async (preset: Preset, lengths: Seq2SeqLengths = {}): Promise<Seq2SeqLMPreprocessor<T>> => {
    const most = Math.min(SEQUENCE_LENGTH, family.model(parts.configOf(preset)).maxSequenceLength ?? SEQUENCE_LENGTH);
    const given = lengths.encoderSequenceLength ?? lengths.decoderSequenceLength ?? lengths.sequenceLength;
    return madeOf(preset, given, family.preprocessor, {
      tokenizer: await family.tokenizer.open(preset),
      encoderSequenceLength: lengths.encoderSequenceLength ?? most,
      decoderSequenceLength: lengths.decoderSequenceLength ?? lengths.sequenceLength ?? most,
    });
  };

  // KerasHub saves no lengths.
  const kerasPreprocessor = (preprocessor: object): KerasPreprocessor => ({
    kerasClass: layout.seq2seqLMPreprocessor,
    config: {},
    tokenizer: family.tokenizer.save((preprocessor as Seq2SeqLMPreprocessor<T>).tokenizer),
  });

  const Seq2SeqLMPreprocessor: Seq2SeqLMPreprocessorClass<Config, T> = parts.preprocessorClass(
    layout.seq2seqLMPreprocessor.className,
    ['encoderSequenceLength', 'decoderSequenceLength', 'sequenceLength'],
    family.preprocessor,
    preprocessorFrom,
    kerasPreprocessor,
  );

  const { Task, family: record } = generativeTask(family, parts, {
    kerasClass: layout.seq2seqLM,
    base: 'Seq2SeqLM',
    make: (own: Seq2SeqLMParts<Config, Params, T>): Seq2SeqLM<Config, Params, T> =>
      seq2seqLM(layout.seq2seqLM.className, own),
    preprocessorFrom,
    kerasPreprocessor,
  });
  const Seq2SeqLM: Seq2SeqLMClass<Config, Params, T> = Task;
  const { Backbone, Tokenizer } = parts;
  return Object.freeze({ Backbone, Tokenizer, Seq2SeqLMPreprocessor, Seq2SeqLM, family: record as AnySeq2SeqFamily });
};
