import * as E from 'fp-ts/lib/Either.js';
import type { Activation } from './activations.ts';
import { type ConfigError, type JsonObject, preview } from './configReader.ts';
import type { PresetLayout, WeightTable } from './weightEntry.ts';

/** What a model is saved as: a backbone alone, or with the head of a task. */
export type SavedKind = 'backbone' | 'causalLM' | 'seq2seqLM' | 'maskedLM' | 'textClassifier';

/** How transformers writes a family down, but for the weights, which stand in the weight table. */
export interface TransformersLayout<Config> {
  /** The class of transformers for each kind that the family has: `{ backbone: 'GPT2Model', causalLM: 'GPT2LMHeadModel' }`. */
  readonly classes: (config: Config) => Partial<Readonly<Record<SavedKind, string>>>;
  /** The model's fields of config.json, `model_type` among them, as near to the config as transformers can say it. */
  readonly config: (config: Config) => JsonObject;
  /** The config that such fields mean. */
  readonly parse: (layout: PresetLayout, json: unknown) => E.Either<ConfigError, Config>;
  /** The config with what transformers takes from the tokenizer. Default: as it is. */
  readonly withPadding?: (config: Config, padTokenId: number) => Config;
  /** The weight table of that config. Default: the model's, where the config is as it is. */
  readonly weights?: (config: Config) => WeightTable;
  /** Fields that change no number, or are read out of the weights. Default: none. */
  readonly free?: readonly (keyof Config)[];
  /** Fields that only one kind of task reads. Default: none. */
  readonly only?: Partial<Readonly<Record<SavedKind, readonly (keyof Config)[]>>>;
  /** Whether two values of a field mean the same numbers, though they differ. Default: they do not. */
  readonly isSame?: (field: keyof Config, own: Config, other: Config) => boolean;
  /** Tensors that stand beside the base model, so that their names never have its prefix. Default: none. */
  readonly outside?: readonly string[];
}

/** transformers' names of the activations. */
export const transformersActivation: Readonly<Record<Activation, string>> = {
  geluApproximate: 'gelu_new',
  gelu: 'gelu',
  relu: 'relu',
};

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * The model's fields of config.json, if transformers can say all that a model of this kind computes by: what it would read out
 * of them is the config itself.
 *
 * @param name - Of the backbone, for messages.
 * @returns A left that names what transformers cannot say, and the way out.
 */
export const transformersConfig = <Config extends object>(
  name: string,
  layout: TransformersLayout<Config>,
  config: Config,
  kind: SavedKind,
): E.Either<ConfigError, JsonObject> => {
  const said = layout.config(config);
  const understood = layout.parse('transformers', said);
  const refuse = (problem: string): E.Either<ConfigError, never> =>
    E.left({
      _tag: 'WrongConfig',
      message: `${name}: ${problem}; save it with { format: 'keras' }, or build it with what transformers knows`,
    });
  if (E.isLeft(understood)) return refuse(`transformers' layout cannot say this config (${understood.left.message})`);
  const other = understood.right;
  const unread = new Set<keyof Config>([
    ...(layout.free ?? []),
    ...Object.entries(layout.only ?? {}).flatMap(([of, fields]) => (of === kind ? [] : (fields as (keyof Config)[]))),
  ]);
  const wrong = (Object.keys(config) as (keyof Config & string)[]).filter(
    (field) =>
      !unread.has(field) && !sameJson(config[field], other[field]) && layout.isSame?.(field, config, other) !== true,
  );
  return wrong.length === 0
    ? E.right(said)
    : refuse(
        `expected ${wrong.map((field) => `${field} ${preview(other[field])}`).join(' and ')}, as transformers' layout takes it from the rest of the config, got ${wrong.map((field) => preview(config[field])).join(' and ')}`,
      );
};
