import type { CausalModel } from '../models/causalModel.ts';
import type { KerasLayout } from '../models/kerasLayout.ts';
import type { SamplerLike } from '../samplers/getSampler.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor, CausalLMPreprocessorOptions } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { KerasPreprocessor, Preset } from '../weights/index.ts';
import { causalBackbone } from './backbone.ts';
import { type CausalLM, type CausalLMParts, causalLM } from './causalLM.ts';
import {
  type FamilyRecord,
  type FromPreset,
  familyParts,
  type PreprocessorPresetOptions,
  type TokenizerSource,
} from './family.ts';
import { type AnyGenerativeFamily, type GenerativePresetOptions, generativeTask } from './generativeFamily.ts';
import { madeOf } from './presets.ts';
import type { Saving } from './withSaving.ts';

/** All that makes a family of causal language models: its classes, `fromPreset` and saving come out of it. */
export interface CausalFamily<
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
> extends FamilyRecord<Config, Options, CausalModel<Params>, T, Source> {
  readonly layout: KerasLayout<Config>;
  /** How the next token is chosen where `compile` is told nothing. */
  readonly sampler: SamplerLike;
  readonly preprocessor: (options: CausalLMPreprocessorOptions<T>) => CausalLMPreprocessor<T>;
}

/** A family as those see it who do not know which it is. */
export type AnyCausalFamily = AnyGenerativeFamily<CausalLM>;

/** What the `fromPreset` of a causal language model's preprocessor may change; what is not given is the preset's. */
export interface CausalLMPreprocessorPresetOptions extends PreprocessorPresetOptions {
  /** Put the start token before every text when training. */
  readonly addStartToken?: boolean;
  /** Put the end token after every text when training. */
  readonly addEndToken?: boolean;
}

/** A class of preprocessors of causal language models. */
export interface CausalLMPreprocessorClass<Config, T extends Tokenizer>
  extends FromPreset<Saving<CausalLMPreprocessor<T>>, CausalLMPreprocessorPresetOptions, Config> {
  (options: CausalLMPreprocessorOptions<T>): Saving<CausalLMPreprocessor<T>>;
}

/** A class of causal language models. */
export interface CausalLMClass<Config, Params extends Tree, T extends Tokenizer>
  extends FromPreset<CausalLM<Config, Params, T>, GenerativePresetOptions<CausalLMPreprocessor<T>>, Config> {
  (parts: CausalLMParts<Config, Params, T>): CausalLM<Config, Params, T>;
}

/** KerasHub's default length of a row. */
const SEQUENCE_LENGTH = 1024;

/** A flag that preprocessor.json says. */
const flag = ({ preprocessorConfig }: Preset, name: string): boolean | undefined =>
  typeof preprocessorConfig[name] === 'boolean' ? preprocessorConfig[name] : undefined;

/** The classes of a family of causal language models, and the `family` for those who do not know which it is. */
export const causalClasses = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
>(
  family: CausalFamily<Config, Options, Params, T, Source>,
) => {
  const { layout, sampler: defaultSampler } = family;
  const parts = familyParts(family, causalBackbone<Config, Params>);

  const preprocessorFrom = async (
    preset: Preset,
    { sequenceLength, addStartToken, addEndToken }: CausalLMPreprocessorPresetOptions = {},
  ): Promise<CausalLMPreprocessor<T>> => {
    const saved = preset.sequenceLength._tag === 'Some' ? preset.sequenceLength.value : undefined;
    // transformers saves no length: as long as the model reads, and KerasHub's default at most.
    const most = preset.layout === 'keras' ? undefined : family.model(parts.configOf(preset)).maxSequenceLength;
    return madeOf(preset, sequenceLength ?? addStartToken ?? addEndToken, family.preprocessor, {
      tokenizer: await family.tokenizer.open(preset),
      sequenceLength: sequenceLength ?? saved ?? Math.min(SEQUENCE_LENGTH, most ?? SEQUENCE_LENGTH),
      addStartToken: addStartToken ?? flag(preset, 'add_start_token'),
      addEndToken: addEndToken ?? flag(preset, 'add_end_token'),
    });
  };

  const kerasPreprocessor = (preprocessor: object): KerasPreprocessor => {
    const own = preprocessor as CausalLMPreprocessor<T>;
    return {
      kerasClass: layout.causalLMPreprocessor,
      config: {
        sequence_length: own.sequenceLength,
        add_start_token: own.addStartToken,
        add_end_token: own.addEndToken,
      },
      tokenizer: family.tokenizer.save(own.tokenizer),
    };
  };

  const CausalLMPreprocessor: CausalLMPreprocessorClass<Config, T> = parts.preprocessorClass(
    layout.causalLMPreprocessor.className,
    ['sequenceLength', 'addStartToken', 'addEndToken'],
    family.preprocessor,
    preprocessorFrom,
    kerasPreprocessor,
  );

  const { Task, family: record } = generativeTask(family, parts, {
    kerasClass: layout.causalLM,
    base: 'CausalLM',
    make: (own: CausalLMParts<Config, Params, T>): CausalLM<Config, Params, T> =>
      causalLM(layout.causalLM.className, { defaultSampler, ...own }),
    preprocessorFrom,
    kerasPreprocessor,
  });
  const CausalLM: CausalLMClass<Config, Params, T> = Task;
  const { Backbone, Tokenizer } = parts;
  return Object.freeze({ Backbone, Tokenizer, CausalLMPreprocessor, CausalLM, family: record as AnyCausalFamily });
};
