import type * as E from 'fp-ts/lib/Either.js';
import type { ConfigError, JsonObject } from './configReader.ts';

/**
 * A class of KerasHub, by its `className`, the `name` that its instances have (the class's, with underscores) and the
 * `module` that it is in, where that is not called as they are.
 */
export interface KerasClass {
  readonly className: string;
  readonly name: string;
  readonly module?: string;
}

/**
 * How KerasHub writes a family down, but for the weights, which stand in the weight table: the classes of its `backbone` and
 * `tokenizer`, and their configs.
 */
export interface KerasBackboneLayout<Config> {
  /** The family's folder in `keras_hub.src.models`. */
  readonly folder: string;
  /** The backbone's class. */
  readonly backbone: KerasClass;
  /** The tokenizer's. */
  readonly tokenizer: KerasClass;
  /** A config as KerasHub's constructor takes it; a left if the constructor cannot say it. */
  readonly config: (config: Config) => E.Either<ConfigError, JsonObject>;
  /** Every layer's group in the weights file, those without weights too, and the layer's name. */
  readonly layers: (config: Config) => readonly (readonly [group: string, name: string])[];
  /** Names of layers with kernels of two axes that are of the class EinsumDense, not Dense. Default: none. */
  readonly einsumLayers?: readonly string[];
}

/** The same of a family of causal models, with the classes `causalLM` and `causalLMPreprocessor`. */
export interface KerasLayout<Config> extends KerasBackboneLayout<Config> {
  readonly causalLM: KerasClass;
  readonly causalLMPreprocessor: KerasClass;
}

/** The same of a family of sequence-to-sequence models, with the classes `seq2seqLM` and `seq2seqLMPreprocessor`. */
export interface Seq2SeqKerasLayout<Config> extends KerasBackboneLayout<Config> {
  readonly seq2seqLM: KerasClass;
  readonly seq2seqLMPreprocessor: KerasClass;
}

/** The same of a family of encoders, with the classes of its masked LM and its classifier. */
export interface EncoderKerasLayout<Config> extends KerasBackboneLayout<Config> {
  readonly maskedLM: KerasClass;
  readonly maskedLMPreprocessor: KerasClass;
  readonly textClassifier: KerasClass;
  readonly textClassifierPreprocessor: KerasClass;
}
