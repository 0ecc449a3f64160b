import type * as E from 'fp-ts/lib/Either.js';
import type { ConfigError, JsonObject } from './configReader.ts';

/** A class of KerasHub, by its `className`, and the `name` that its instances have: the class's, with underscores. */
export interface KerasClass {
  readonly className: string;
  readonly name: string;
}

/**
 * How KerasHub writes a family of causal models down, but for the weights, which stand in the weight table: the classes of
 * its `backbone`, `tokenizer`, `causalLM` and `causalLMPreprocessor`, and their configs.
 */
export interface KerasLayout<Config> {
  /** The family's folder in `keras_hub.src.models`. */
  readonly folder: string;
  readonly backbone: KerasClass;
  readonly tokenizer: KerasClass;
  readonly causalLM: KerasClass;
  readonly causalLMPreprocessor: KerasClass;
  /** A config as KerasHub's constructor takes it; a left if the constructor cannot say it. */
  readonly config: (config: Config) => E.Either<ConfigError, JsonObject>;
  /** Every layer's group in the weights file, those without weights too, and the layer's name. */
  readonly layers: (config: Config) => readonly (readonly [group: string, name: string])[];
}
