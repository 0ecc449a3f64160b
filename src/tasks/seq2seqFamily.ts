import type { SamplerLike } from '../samplers/getSampler.ts';
import type { Seq2SeqLMPreprocessor } from '../tokenizers/seq2seqLMPreprocessor.ts';
import type { Preset } from '../weights/index.ts';
import type { SavableFamily } from './causalFamily.ts';
import { type BackbonePresetOptions, taskPresetOptions } from './presets.ts';
import type { Seq2SeqLM } from './seq2seqLM.ts';

/** Options of a sequence-to-sequence task's `fromPreset`. */
export interface Seq2SeqPresetOptions extends BackbonePresetOptions {
  /** Null: no preprocessor, so token ids in and out. Default: the preset's. */
  readonly preprocessor?: Seq2SeqLMPreprocessor | null;
  /** Default `'top_k'`. */
  readonly sampler?: SamplerLike;
}

/** The names of these options. */
export const seq2seqPresetOptions = taskPresetOptions;

/** A family of sequence-to-sequence models as those see it who do not know which it is. */
export interface AnySeq2SeqFamily extends SavableFamily {
  /** The task that an opened preset holds. */
  readonly open: (preset: Preset, options: Seq2SeqPresetOptions) => Promise<Seq2SeqLM>;
}
