import { fileURLToPath } from 'node:url';
import * as E from 'fp-ts/lib/Either.js';
import { type DownloadProgress, type HubProblem, orHubError, resolve } from '../hub/index.ts';
import type { CausalModel } from '../models/causalModel.ts';
import { formatPath, type PresetLayout, type WeightEntry } from '../models/weightEntry.ts';
import { type Device, type DeviceChoice, getDevice } from '../runtime/device.ts';
import type { SamplerLike } from '../samplers/getSampler.ts';
import type { DType } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor } from '../tokenizers/index.ts';
import { type Checkpoint, openPreset, type Preset, toPresetError, type WeightsError } from '../weights/index.ts';
import { type LoadProgress, loadWeights, realizeParams } from './loadWeights.ts';

/** Options of finding a preset. */
export interface OpenPresetOptions {
  /** False: random weights from `seed`, and no weights file is fetched or opened. Default true. */
  readonly loadWeights?: boolean;
  /** A branch, a tag or a commit, for a built-in id or `hf://user/repo`. Default: the newest. */
  readonly revision?: string;
  /** Ends fetching and loading; the promise rejects with the signal's reason, and what was fetched stays for the next time. */
  readonly signal?: AbortSignal;
  /** Called as files arrive from a hub; never where all are there. */
  readonly onDownload?: (progress: DownloadProgress) => void;
}

/** Options of the `fromPreset` of tokenizers and preprocessors: where their small files are found. */
export type FindPresetOptions = Pick<OpenPresetOptions, 'revision' | 'signal' | 'onDownload'>;

/** The names of these options. */
export const findPresetOptions = [
  'revision',
  'signal',
  'onDownload',
] as const satisfies readonly (keyof FindPresetOptions)[];

/** Options of a backbone's `fromPreset`. */
export interface BackbonePresetOptions extends OpenPresetOptions {
  /** Seed of random weights. Default 0. */
  readonly seed?: number;
  /** Storage of the weights: float32, float16 or bfloat16, of all of them. Default: as they were saved, in 8 or 4 bits where they were. */
  readonly dtype?: DType;
  /** A device, or which kind. Default: WebGPU where there is an adapter (see PURELM_DEVICE). */
  readonly device?: Device | DeviceChoice;
  /** Called as weights arrive on the device. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** Options of a task's `fromPreset`. */
export interface TaskPresetOptions extends BackbonePresetOptions {
  /** Null: no preprocessor, so token ids in and out. Default: the preset's. */
  readonly preprocessor?: CausalLMPreprocessor | null;
  /** Default `'top_k'`. */
  readonly sampler?: SamplerLike;
}

/** The names of the options that a backbone's `fromPreset` takes. */
export const backbonePresetOptions = [
  ...(['loadWeights', 'seed', 'dtype', 'device', 'signal', 'onProgress'] as const),
  ...(['revision', 'onDownload'] as const),
] as const;

/** The names of the options that a task's `fromPreset` takes. */
export const taskPresetOptions = [...backbonePresetOptions, 'preprocessor', 'sampler'] as const;

/** A right's value, or a rejection with the tagged error. */
export const orReject = <A>(result: E.Either<WeightsError, A>): A => {
  if (E.isLeft(result)) throw toPresetError(result.left);
  return result.right;
};

/**
 * The error of a preset's file that cannot be used.
 *
 * @param said - What is wrong; a name of the file's kind that it begins with (`vocabulary.json: `) goes.
 */
export const brokenFile = ({ path }: Preset, name: string, said: string): WeightsError => {
  const file = `${path}/${name}`;
  return { _tag: 'BrokenFile', message: `${file}: ${said.replace(/^\w+\.(json|txt): /, '')}`, path: file };
};

/**
 * What `make` makes of a preset's files. An argument that it does not take is the files' fault, unless the caller gave a
 * length.
 */
export const madeOf = <Options, A>(
  preset: Preset,
  given: unknown,
  make: (options: Options) => A,
  options: Options,
): A => {
  try {
    return make(options);
  } catch (error) {
    if (given !== undefined || !(error instanceof ArgumentError)) throw error;
    const file = preset.layout === 'keras' ? 'preprocessor.json' : 'tokenizer.json';
    throw toPresetError(brokenFile(preset, file, `does not fit the other files of the preset: ${error.message}`));
  }
};

/** Presets that ship with the package, by id. */
export const shipped: ReadonlyMap<string, URL> = new Map([
  ['gpt2_tiny_en', new URL('../../presets/gpt2_tiny_en', import.meta.url)],
]);

/** Names a way out that needs no download. */
const withWayOut = <Problem extends WeightsError | HubProblem>(problem: Problem): Problem =>
  problem._tag === 'NotAPreset' || problem._tag === 'UnknownPreset'
    ? { ...problem, message: `${problem.message}; ${[...shipped.keys()].join(', ')} ships with the package` }
    : problem;

/** Whether a name can only be a path: what is wrong with it is for `openPreset` to say. */
const isPath = (preset: unknown): boolean =>
  typeof preset !== 'string' || preset === '' || /^[.~/\\]|^[^:]*[/\\]|^[a-z]:[/\\]/i.test(preset);

/**
 * The folder of a preset, fetched where it is not there: the id of one that ships with the package, a built-in id,
 * `hf://user/repo[@revision]`, `kaggle://owner/model/framework/variation[/version]`, or a folder.
 *
 * @throws {HubError} By rejection: there is no such preset, or it cannot be had.
 */
export const presetFolder = async (preset: string, options: OpenPresetOptions = {}): Promise<string> => {
  const { loadWeights: weights = true, revision, signal, onDownload } = options;
  const url = shipped.get(preset);
  if (revision === undefined && url !== undefined) return fileURLToPath(url);
  if (revision === undefined && isPath(preset)) return preset;
  const found = await resolve(preset, {
    weights,
    ...(revision === undefined ? {} : { revision }),
    ...(signal === undefined ? {} : { signal }),
    ...(onDownload === undefined ? {} : { onProgress: onDownload }),
  })();
  return orHubError(E.mapLeft(withWayOut<HubProblem>)(found)).folder;
};

/** Opens a preset: whatever `presetFolder` takes. */
export const openPresetFolder = async (preset: string, options: OpenPresetOptions = {}): Promise<Preset> =>
  orReject(
    E.mapLeft(withWayOut<WeightsError>)(
      typeof preset === 'string' && preset !== ''
        ? await openPreset(await presetFolder(preset, options))()
        : E.left({
            _tag: 'NotAPreset',
            message: `fromPreset: expected the id of a preset or a folder, got ${JSON.stringify(preset)}`,
          }),
    ),
  );

/** What a class can load. */
export interface Loadable {
  readonly family: string;
  readonly backbone: string;
}

/** Rejects a preset of another family, by name. */
export const expectFamily = (name: string, preset: Preset, { family, backbone }: Loadable): void => {
  if (preset.family !== family)
    throw toPresetError({
      _tag: 'WrongConfig',
      message: `${preset.path}: expected a preset of ${backbone} for ${name}, got one of the family ${preset.family}`,
      path: preset.path,
    });
};

/** What loading asks of a model: its table, and how its parameters start. */
export type Loaded<Params extends Tree> = Pick<CausalModel<Params>, 'weights' | 'init'>;

/** The device that is meant by an option. */
export const deviceFor = async (choice: BackbonePresetOptions['device']): Promise<Device> =>
  typeof choice === 'object' ? choice : getDevice(choice);

/** A model's parameters out of a checkpoint, on a device. Those that files may lack start as in a new model. */
export const loadParams = async <Params extends Tree>(
  device: Device,
  layout: PresetLayout,
  model: Loaded<Params>,
  checkpoint: Checkpoint,
  { seed = 0, dtype, signal, onProgress }: BackbonePresetOptions,
): Promise<Params> => {
  const fresh = new Map(paths(model.init(seed)));
  const absent = ({ path }: WeightEntry): Tensor | undefined => fresh.get(formatPath(path));
  const options = { signal, onProgress, dtype, absent };
  return (await loadWeights(device, layout, model.weights, checkpoint, options)) as Params;
};

/** A model's parameters as a preset and the options say, on a device. */
export const loadBackbone = async <Params extends Tree>(
  preset: Preset,
  model: Loaded<Params>,
  options: BackbonePresetOptions,
): Promise<{ readonly params: Params; readonly device: Device }> => {
  const { loadWeights: load = true, seed = 0, device: choice, signal } = options;
  signal?.throwIfAborted();
  if (!load) {
    const device = await deviceFor(choice);
    return { params: await realizeParams(device, model.init(seed)), device };
  }
  const checkpoint = orReject(await preset.openWeights()());
  try {
    const device = await deviceFor(choice);
    return { params: await loadParams(device, preset.layout, model, checkpoint, options), device };
  } finally {
    await checkpoint.close();
  }
};
