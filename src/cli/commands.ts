import type { DeviceChoice } from '../runtime/device.ts';
import type { Sampler } from '../samplers/sampler.ts';
import type { QuantizationMode } from '../tasks/quantize.ts';
import type { PoolingMode } from '../tasks/textEmbedder.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Workload } from './workloads.ts';

/** A draft model for speculative sampling. */
export interface DraftArguments {
  readonly preset: string;
  readonly numSpeculativeTokens: number | undefined;
}

/** What `purelm generate` was asked for. */
export interface GenerateArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  /** Prompts of the command line; none: from standard input. */
  readonly prompts: readonly string[];
  readonly maxLength: number | undefined;
  readonly sampler: Sampler;
  readonly draft: DraftArguments | undefined;
  readonly seed: number;
  readonly device: DeviceChoice | undefined;
  readonly json: boolean;
}

/** What `purelm fit` was asked for. */
export interface FitArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  /** Files of examples; `-` is standard input. */
  readonly texts: readonly string[];
  /** What lies between two examples. */
  readonly separator: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number | undefined;
  readonly optimizer: string | undefined;
  readonly sequenceLength: number | undefined;
  readonly validationSplit: number;
  readonly seed: number;
  readonly loraRank: number | undefined;
  /** A folder for checkpoints. */
  readonly checkpoint: string | undefined;
  /** A folder with a checkpoint. */
  readonly resume: string | undefined;
  /** A CSV file. */
  readonly log: string | undefined;
  /** An SVG file. */
  readonly curve: string | undefined;
  /** A folder for the trained preset. */
  readonly output: string | undefined;
  readonly device: DeviceChoice | undefined;
  readonly json: boolean;
}

/** What `purelm score` was asked for. */
export interface ScoreArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  /** Texts of the command line; none: from standard input. */
  readonly texts: readonly string[];
  /** How many of the likeliest tokens are shown at each place. */
  readonly top: number;
  readonly device: DeviceChoice | undefined;
  readonly json: boolean;
}

/** What `purelm embed` was asked for. */
export interface EmbedArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  /** Texts of the command line. */
  readonly texts: readonly string[];
  /** Files of texts, one a line; `-` is standard input. */
  readonly files: readonly string[];
  /** A file for the embeddings, by its ending of one format or another; none: JSON lines on standard output. */
  readonly out: string | undefined;
  readonly batchSize: number;
  readonly sequenceLength: number | undefined;
  readonly pooling: PoolingMode | undefined;
  /** True: embeddings keep their lengths. */
  readonly raw: boolean;
  readonly device: DeviceChoice | undefined;
}

/** What `purelm inspect` was asked for. */
export interface InspectArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  readonly json: boolean;
}

/** What `purelm presets` was asked for. */
export interface PresetsArguments {
  /** A part of an id or a description; empty: all. */
  readonly filter: string;
  readonly json: boolean;
}

/** What `purelm presets pull` was asked for. */
export interface PullArguments {
  /** A built-in id, or a handle of a hub. */
  readonly preset: string;
  readonly revision: string | undefined;
  readonly json: boolean;
}

/** What `purelm bench` was asked for. */
export interface BenchArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  readonly only: readonly Workload[];
  /** How weights are stored; by default as they were saved. */
  readonly dtype: DType | undefined;
  readonly quantize: QuantizationMode | undefined;
  /** How often each workload is timed. */
  readonly reps: number;
  readonly profile: boolean;
  /** An SVG file. */
  readonly svg: string | undefined;
  readonly device: DeviceChoice | undefined;
  readonly json: boolean;
}

/** What `purelm tune` was asked for. */
export interface TuneArguments {
  readonly preset: string;
  readonly revision: string | undefined;
  /** What is done once, for the shapes that come up in it. */
  readonly only: readonly Workload[];
  /** How weights are stored; by default as they were saved. */
  readonly dtype: DType | undefined;
  readonly quantize: QuantizationMode | undefined;
  /** Milliseconds for the kernels of a class of shapes. */
  readonly budget: number;
  readonly device: DeviceChoice | undefined;
  readonly json: boolean;
}

/** What `purelm presets push` was asked for. */
export interface PushArguments {
  readonly folder: string;
  /** `hf://user/repo`. */
  readonly uri: string;
  readonly isPrivate: boolean;
  readonly message: string | undefined;
  readonly json: boolean;
}

/** What the command line says. */
export type Command =
  | ({ readonly command: 'generate' } & GenerateArguments)
  | ({ readonly command: 'fit' } & FitArguments)
  | ({ readonly command: 'score' } & ScoreArguments)
  | ({ readonly command: 'bench' } & BenchArguments)
  | ({ readonly command: 'tune' } & TuneArguments)
  | ({ readonly command: 'embed' } & EmbedArguments)
  | ({ readonly command: 'inspect' } & InspectArguments)
  | ({ readonly command: 'presets' } & PresetsArguments)
  | ({ readonly command: 'pull' } & PullArguments)
  | ({ readonly command: 'push' } & PushArguments)
  | { readonly command: 'doctor'; readonly json: boolean }
  | { readonly command: 'help' | 'version' };
