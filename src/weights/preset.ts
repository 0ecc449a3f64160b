import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as O from 'fp-ts/lib/Option.js';
import type * as T from 'fp-ts/lib/Task.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, type JsonObject, preview } from '../models/configReader.ts';
import { vocabularyLimits } from '../models/jsonText.ts';
import { builtInPresets } from '../models/presets.ts';
import type { PresetLayout } from '../models/weightEntry.ts';
import type { Checkpoint } from './checkpoint.ts';
import { fail, type WeightsError } from './errors.ts';
import { type Family, families } from './families.ts';
import { inFolder, kindOf, readBytes, readText, restoreFolder, staysIn } from './files.ts';
import { openH5 } from './h5.ts';
import { field, readJson, readJsonObject } from './json.ts';
import { openSafetensors } from './safetensors.ts';
import { openShardedH5, openShardedSafetensors } from './sharded.ts';

/** A folder that holds a model, its layout and family known, its weights not yet opened. */
export interface Preset {
  /** The folder. */
  readonly path: string;
  readonly layout: PresetLayout;
  readonly family: Family;
  /** config.json, parsed and not yet checked any further. */
  readonly config: JsonObject;
  /** The task's class that task.json names (`GPT2CausalLM`), in KerasHub's layout. */
  readonly taskClass: O.Option<string>;
  /** What task.json says of the task itself, such as its number of classes; empty where there is none. */
  readonly taskConfig: JsonObject;
  /** The length that preprocessor.json pads to, in KerasHub's layout; in transformers', what saving has noted of it. */
  readonly sequenceLength: O.Option<number>;
  /** What preprocessor.json says of the preprocessor, or what saving has noted in transformers' layout; empty where there is none. */
  readonly preprocessorConfig: JsonObject;
  /** Opens the weights, whole or sharded. The caller closes them. */
  readonly openWeights: () => TE.TaskEither<WeightsError, Checkpoint>;
  /** Opens the weights of the task's own layers, in KerasHub's layout; none where there are none. The caller closes them. */
  readonly openTaskWeights: () => TE.TaskEither<WeightsError, O.Option<Checkpoint>>;
  /** Reads another file of the folder; the name may not lead out of it. */
  readonly readText: (name: string) => TE.TaskEither<WeightsError, string>;
  /** The same, as bytes. */
  readonly readBytes: (name: string) => TE.TaskEither<WeightsError, Uint8Array>;
  /** The same, as JSON. Note that tokenizer.json is a layer's config in KerasHub's layout, a whole tokenizer in transformers'. */
  readonly readJson: (name: string) => TE.TaskEither<WeightsError, unknown>;
  /** Whether the folder has a file of this name. */
  readonly has: (name: string) => T.Task<boolean>;
}

const acceptedForms =
  "expected a folder with a preset: KerasHub's (config.json, model.weights.h5, …) or transformers' (config.json, model.safetensors, …)";

/** What to do about a path that is no folder, by what it looks like. */
const wayOut = (folder: string): string => {
  const known = builtInPresets.get(folder);
  if (known !== undefined)
    return `the built-in preset ${folder} has to be downloaded first (${known.kaggleHandle} or hf://keras/${folder}); then give its folder`;
  if (/^(hf|kaggle|modelscope):\/\//.test(folder)) return 'download it first, then give its folder';
  return `or one of the built-in ids, downloaded: ${[...builtInPresets.keys()].join(', ')}`;
};

const supported = (name: (names: (typeof families)[number]) => string): string =>
  [...new Set(families.map(name))].join(', ');

interface Detected {
  readonly layout: PresetLayout;
  readonly family: Family;
}

/** The layout and the family by config.json: the key that each library writes, in KerasHub's order. */
const detect = (path: string, config: JsonObject): E.Either<WeightsError, Detected> => {
  const registered = field(config, 'registered_name');
  if (registered !== undefined) {
    // Presets saved before the rename say keras_nlp.
    const known = families.find(({ kerasBackbone }) =>
      [`keras_hub>${kerasBackbone}`, `keras_nlp>${kerasBackbone}`].some((name) => name === registered),
    );
    return known !== undefined
      ? E.right({ layout: 'keras', family: known.family })
      : fail(
          'WrongConfig',
          path,
          `expected a backbone that is supported (${supported((names) => names.kerasBackbone)}), got registered_name ${preview(registered)}`,
        );
  }
  const modelType = field(config, 'model_type');
  if (modelType !== undefined) {
    const known = families.find((names) => names.modelType === modelType);
    return known !== undefined
      ? E.right({ layout: 'transformers', family: known.family })
      : fail(
          'WrongConfig',
          path,
          `expected a model_type that is supported (${supported((names) => names.modelType)}), got ${preview(modelType)}`,
        );
  }
  return field(config, 'architecture') !== undefined
    ? fail(
        'UnknownFormat',
        path,
        `a timm model (architecture ${preview(config.architecture)}), which is no language model`,
      )
    : fail(
        'UnknownFormat',
        path,
        'Unrecognized format: expected "registered_name" (KerasHub) or "model_type" (transformers); save the model with save_to_preset or save_pretrained',
      );
};

/** An optional JSON file of the folder and what is to be read from it; a file that is there must be right. */
const optional =
  <A>(
    path: string,
    expected: string,
    read: (object: JsonObject) => A | undefined,
  ): TE.TaskEither<WeightsError, O.Option<A>> =>
  async () => {
    if ((await kindOf(path)()) === 'nothing') return E.right(O.none);
    const object = await readJsonObject(path)();
    if (E.isLeft(object)) return object;
    const value = read(object.right);
    return value === undefined ? fail('WrongConfig', path, `expected ${expected}`) : E.right(O.some(value));
  };

/** The task's class and what its config says. */
interface SavedTask {
  readonly className: string;
  readonly config: JsonObject;
}

const readTask = (folder: string): TE.TaskEither<WeightsError, O.Option<SavedTask>> =>
  optional(join(folder, 'task.json'), 'the class of a task as "class_name"', (object) => {
    const className = field(object, 'class_name');
    const config = field(object, 'config');
    return typeof className === 'string' ? { className, config: isJsonObject(config) ? config : {} } : undefined;
  });

/** Whether a value is a length of rows, or null for none. */
const isLength = (value: unknown): boolean =>
  value === null || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1);

/** What preprocessor.json says; its length, if it says one, is a whole number from 1. */
const readPreprocessor = (folder: string): TE.TaskEither<WeightsError, O.Option<JsonObject>> =>
  optional(join(folder, 'preprocessor.json'), 'a "sequence_length" of 1 or more, or none', (object) => {
    const config = field(object, 'config');
    if (!isJsonObject(config)) return undefined;
    return isLength(field(config, 'sequence_length') ?? null) ? config : undefined;
  });

/**
 * What tokenizer_config.json of a transformers folder says of KerasHub's preprocessor: transformers itself has no such
 * thing, but keeps what stands there.
 */
const readKerasSettings = (folder: string): TE.TaskEither<WeightsError, O.Option<JsonObject>> =>
  optional(
    join(folder, 'tokenizer_config.json'),
    'an object "keras_hub" with a "sequence_length" of 1 or more, or none',
    (object) => {
      const own = field(object, 'keras_hub') ?? {};
      return isJsonObject(own) && isLength(field(own, 'sequence_length') ?? null) ? own : undefined;
    },
  );

const openFirst =
  (
    folder: string,
    forms: readonly (readonly [name: string, open: () => TE.TaskEither<WeightsError, Checkpoint>])[],
    pickled: readonly string[],
  ): TE.TaskEither<WeightsError, Checkpoint> =>
  async () => {
    for (const [name, open] of forms) if ((await kindOf(join(folder, name))()) !== 'nothing') return open()();
    const names = forms.map(([name]) => name).join(' or ');
    for (const name of pickled)
      if ((await kindOf(join(folder, name))()) !== 'nothing')
        return fail(
          'UnknownFormat',
          join(folder, name),
          `a pickle, which can run any code when it is read; expected ${names} (save it with save_pretrained in Python)`,
        );
    return fail('MissingFile', folder, `expected weights in ${names}, found neither`);
  };

const openWeights = (folder: string, layout: PresetLayout): TE.TaskEither<WeightsError, Checkpoint> => {
  const at = (name: string): string => join(folder, name);
  const whole = layout === 'keras' ? 'model.weights.h5' : 'model.safetensors';
  const index = layout === 'keras' ? 'model.weights.json' : 'model.safetensors.index.json';
  return layout === 'keras'
    ? openFirst(
        folder,
        [
          [whole, () => openH5(at(whole))],
          [index, () => openShardedH5(folder, index)],
        ],
        [],
      )
    : openFirst(
        folder,
        [
          [whole, () => openSafetensors(at(whole))],
          [index, () => openShardedSafetensors(folder, index)],
        ],
        ['pytorch_model.bin', 'pytorch_model.bin.index.json'],
      );
};

/** The weights of a task's own layers, without what an optimizer left there. */
const openTaskWeights =
  (folder: string, layout: PresetLayout): TE.TaskEither<WeightsError, O.Option<Checkpoint>> =>
  async () => {
    const path = join(folder, 'task.weights.h5');
    if (layout !== 'keras' || (await kindOf(path)()) === 'nothing') return E.right(O.none);
    return E.map((checkpoint: Checkpoint) =>
      O.some({
        ...checkpoint,
        tensors: new Map([...checkpoint.tensors].filter(([name]) => !name.startsWith('optimizer/'))),
      }),
    )(await openH5(path)());
  };

/** The family of a tokenizer that KerasHub saved without a model, by its class. */
const detectTokenizer = async (folder: string): Promise<E.Either<WeightsError, Detected>> => {
  const path = join(folder, 'tokenizer.json');
  const object = (await kindOf(path)()) === 'nothing' ? undefined : await readJsonObject(path)();
  const registered = object !== undefined && E.isRight(object) ? field(object.right, 'registered_name') : undefined;
  const known = families.find(
    ({ kerasBackbone }) => registered === `keras_hub>${kerasBackbone.replace(/Backbone$/, 'Tokenizer')}`,
  );
  return known === undefined
    ? fail('NotAPreset', folder, `has no config.json; ${acceptedForms}`)
    : E.right({ layout: 'keras', family: known.family });
};

/** The files of a preset that are read by name here. */
const ownFiles = [
  ...['config.json', 'task.json', 'preprocessor.json', 'tokenizer.json', 'tokenizer_config.json'],
  ...['model.weights.h5', 'model.weights.json', 'task.weights.h5'],
  ...['model.safetensors', 'model.safetensors.index.json'],
] as const;

/**
 * Reads what a folder holds: layout and family by its config.json, KerasHub's or transformers', or, where KerasHub saved a
 * tokenizer without a model, by that. No weights are opened.
 *
 * @param folder - A local folder.
 */
export const openPreset =
  (folder: string): TE.TaskEither<WeightsError, Preset> =>
  async () => {
    const restored = await restoreFolder(folder)();
    if (E.isLeft(restored)) return restored;
    const kind = await kindOf(folder)();
    if (kind !== 'folder')
      return fail(
        'NotAPreset',
        folder,
        `${kind === 'nothing' ? 'no such folder' : 'not a folder'}; ${acceptedForms}; ${wayOut(folder)}`,
      );
    for (const name of ownFiles) {
      const own = await staysIn(folder, join(folder, name))();
      if (E.isLeft(own)) return own;
    }
    const configPath = join(folder, 'config.json');
    const hasConfig = (await kindOf(configPath)()) !== 'nothing';
    const config = hasConfig ? await readJsonObject(configPath)() : E.right({});
    if (E.isLeft(config)) return config;
    const detected = hasConfig ? detect(configPath, config.right) : await detectTokenizer(folder);
    if (E.isLeft(detected)) return detected;
    const { layout, family } = detected.right;
    // task.json and preprocessor.json are KerasHub's files; transformers has nothing of these names.
    const task = layout === 'keras' ? await readTask(folder)() : E.right(O.none);
    if (E.isLeft(task)) return task;
    const preprocessor = await (layout === 'keras' ? readPreprocessor : readKerasSettings)(folder)();
    if (E.isLeft(preprocessor)) return preprocessor;
    const preprocessorConfig: JsonObject = O.isSome(preprocessor.right) ? preprocessor.right.value : {};

    const within = (name: string): TE.TaskEither<WeightsError, string> => inFolder(folder, name, 'config.json');
    return E.right({
      path: folder,
      layout,
      family,
      config: config.right,
      taskClass: O.map(({ className }: SavedTask) => className)(task.right),
      taskConfig: O.isSome(task.right) ? task.right.value.config : {},
      sequenceLength: O.fromNullable(preprocessorConfig.sequence_length as number | null | undefined),
      preprocessorConfig,
      openWeights: () => openWeights(folder, layout),
      openTaskWeights: () => openTaskWeights(folder, layout),
      readText: (name) =>
        pipe(
          within(name),
          TE.chain((path) => readText(path, vocabularyLimits.length)),
        ),
      readBytes: (name) =>
        pipe(
          within(name),
          TE.chain((path) => readBytes(path, vocabularyLimits.length)),
        ),
      readJson: (name) =>
        pipe(
          within(name),
          TE.chain((path) => readJson(path)),
        ),
      has: (name) => async () => {
        const path = await within(name)();
        return E.isRight(path) && (await kindOf(path.right)()) === 'file';
      },
    });
  };
