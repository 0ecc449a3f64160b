import { parseArgs } from 'node:util';
import * as E from 'fp-ts/lib/Either.js';
import type { DeviceChoice } from '../runtime/device.ts';
import type { PoolingMode } from '../tasks/textEmbedder.ts';
import { getOptimizer } from '../training/index.ts';
import type {
  BenchArguments,
  Command,
  DraftArguments,
  EmbedArguments,
  FitArguments,
  TuneArguments,
} from './commands.ts';
import { samplerOf } from './sampler.ts';
import { defaultWorkloads, tunedWorkloads, workloadsOf } from './workloads.ts';

const options = {
  preset: { type: 'string' },
  prompt: { type: 'string', multiple: true },
  'max-length': { type: 'string' },
  sampler: { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  'num-beams': { type: 'string' },
  'all-beams': { type: 'boolean' },
  alpha: { type: 'string' },
  'repetition-penalty': { type: 'string' },
  draft: { type: 'string' },
  'speculative-tokens': { type: 'string' },
  seed: { type: 'string' },
  text: { type: 'string', multiple: true },
  separator: { type: 'string' },
  epochs: { type: 'string' },
  'batch-size': { type: 'string' },
  optimizer: { type: 'string' },
  'learning-rate': { type: 'string' },
  'sequence-length': { type: 'string' },
  'validation-split': { type: 'string' },
  'lora-rank': { type: 'string' },
  checkpoint: { type: 'string' },
  resume: { type: 'string' },
  log: { type: 'string' },
  curve: { type: 'string' },
  output: { type: 'string' },
  file: { type: 'string', multiple: true },
  out: { type: 'string' },
  pooling: { type: 'string' },
  raw: { type: 'boolean' },
  private: { type: 'boolean' },
  message: { type: 'string' },
  top: { type: 'string' },
  only: { type: 'string' },
  dtype: { type: 'string' },
  quantize: { type: 'string' },
  reps: { type: 'string' },
  budget: { type: 'string' },
  profile: { type: 'boolean' },
  svg: { type: 'string' },
  device: { type: 'string' },
  revision: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

type OptionName = keyof typeof options;

const shared = ['preset', 'revision', 'device', 'json'] as const satisfies readonly OptionName[];

/** The commands that have options. */
type Named = 'generate' | 'fit' | 'score' | 'bench' | 'tune' | 'embed' | 'inspect' | 'presets' | 'doctor';

/** Which options a command has. */
const optionsOf: Readonly<Record<Named, readonly OptionName[]>> = {
  generate: [
    ...shared,
    ...([
      'prompt',
      'max-length',
      'sampler',
      'temperature',
      'top-k',
      'top-p',
      'min-p',
      'num-beams',
      'all-beams',
    ] as const),
    ...(['alpha', 'repetition-penalty', 'draft', 'speculative-tokens', 'seed'] as const),
  ],
  fit: [
    ...shared,
    ...(['text', 'separator', 'epochs', 'batch-size', 'optimizer', 'learning-rate', 'sequence-length'] as const),
    ...(['validation-split', 'seed', 'lora-rank', 'checkpoint', 'resume', 'log', 'curve', 'output'] as const),
  ],
  score: [...shared, 'text', 'top'],
  bench: [...shared, 'only', 'dtype', 'quantize', 'reps', 'profile', 'svg'],
  tune: [...shared, 'only', 'dtype', 'quantize', 'budget'],
  embed: ['revision', 'device', 'json', 'file', 'out', 'batch-size', 'sequence-length', 'pooling', 'raw'],
  inspect: ['revision', 'json'],
  presets: ['revision', 'json', 'private', 'message'],
  doctor: ['json'],
};

const isCommand = (name: string): name is keyof typeof optionsOf => Object.hasOwn(optionsOf, name);

const numberOf = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new Error(`--${name}: expected a number, got ${text}`);
  return value;
};

const wholeOf = (name: string, text: string | undefined, least?: number): number | undefined => {
  const value = numberOf(name, text);
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= (least ?? value)))
    throw new Error(`--${name}: expected a whole number${least === undefined ? '' : ` from ${least}`}, got ${text}`);
  return value;
};

/** A separator as it is meant: a shell hands over `\\n` as two characters. */
const unescaped = (text: string): string =>
  text.replace(/\\([nrt\\])/g, (_, letter: string) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? letter);

/** A file whose name must say what it is. */
const fileOf = (name: string, path: string | undefined, suffix: string): string | undefined => {
  if (path !== undefined && !path.endsWith(suffix))
    throw new Error(`--${name}: expected a file whose name ends in ${suffix}, got ${path}`);
  return path;
};

const optimizerOf = (name: string | undefined): string | undefined => {
  try {
    if (name !== undefined) getOptimizer(name);
    return name;
  } catch (cause) {
    throw new Error(`--${cause instanceof Error ? cause.message : String(cause)}`);
  }
};

const fitArguments = (
  values: Readonly<Partial<Record<OptionName, unknown>>>,
): Omit<FitArguments, 'preset' | 'revision' | 'device' | 'json' | 'seed'> => {
  const text = (name: OptionName): string | undefined => values[name] as string | undefined;
  const texts = (values.text ?? []) as readonly string[];
  if (texts.length === 0) throw new Error('--text: expected a file of examples, got none; - is standard input');
  const separator = unescaped(text('separator') ?? '\n');
  if (separator === '') throw new Error('--separator: expected a text, got an empty one');
  const learningRate = numberOf('learning-rate', text('learning-rate'));
  if (learningRate !== undefined && !(learningRate > 0))
    throw new Error(`--learning-rate: expected a number above 0, got ${text('learning-rate')}`);
  const validationSplit = numberOf('validation-split', text('validation-split')) ?? 0;
  if (!(validationSplit >= 0 && validationSplit < 1))
    throw new Error(`--validation-split: expected a number from 0 to below 1, got ${text('validation-split')}`);
  const resume = text('resume');
  return {
    texts,
    separator,
    epochs: wholeOf('epochs', text('epochs'), 1) ?? 1,
    batchSize: wholeOf('batch-size', text('batch-size'), 1) ?? 32,
    learningRate,
    optimizer: optimizerOf(text('optimizer')),
    sequenceLength: wholeOf('sequence-length', text('sequence-length'), 1),
    validationSplit,
    loraRank: wholeOf('lora-rank', text('lora-rank'), 1),
    // A run that goes on is saved where it was.
    checkpoint: text('checkpoint') ?? resume,
    resume,
    log: fileOf('log', text('log'), '.csv'),
    curve: fileOf('curve', text('curve'), '.svg'),
    output: text('output'),
  };
};

/** The value of an option that has one of a few. */
const oneOf = <A extends string>(name: OptionName, text: string | undefined, values: readonly A[]): A | undefined => {
  const value = values.find((each) => each === text);
  if (text !== undefined && value === undefined)
    throw new Error(`--${name}: expected ${values.slice(0, -1).join(', ')} or ${values.at(-1)}, got ${text}`);
  return value;
};

/** What bench and tune are asked alike: for which preset, how its weights are held, and which workloads. */
const workArguments = (
  command: 'bench' | 'tune',
  values: Readonly<Partial<Record<OptionName, unknown>>>,
  rest: readonly string[],
  usual: string,
): Pick<BenchArguments, 'only' | 'dtype' | 'quantize'> & { readonly preset?: string } => {
  const text = (name: OptionName): string | undefined => values[name] as string | undefined;
  const [preset, ...more] = rest;
  if (more.length > 0 || (preset !== undefined && values.preset !== undefined))
    throw new Error(`${command}: expected one preset, got ${[text('preset'), ...rest].filter(Boolean).join(', ')}`);
  return {
    ...(preset === undefined ? {} : { preset }),
    only: workloadsOf(text('only') ?? usual),
    dtype: oneOf('dtype', text('dtype'), ['float32', 'float16', 'bfloat16']),
    quantize: oneOf('quantize', text('quantize'), ['int8', 'int4']),
  };
};

const tuneArguments = (
  values: Readonly<Partial<Record<OptionName, unknown>>>,
  rest: readonly string[],
): Omit<TuneArguments, 'preset' | 'revision' | 'device' | 'json'> & { readonly preset?: string } => ({
  ...workArguments('tune', values, rest, tunedWorkloads),
  budget: wholeOf('budget', values.budget as string | undefined, 1) ?? 2000,
});

const benchArguments = (
  values: Readonly<Partial<Record<OptionName, unknown>>>,
  rest: readonly string[],
): Omit<BenchArguments, 'preset' | 'revision' | 'device' | 'json'> & { readonly preset?: string } => {
  const text = (name: OptionName): string | undefined => values[name] as string | undefined;
  const svg = fileOf('svg', text('svg'), '.svg');
  return {
    ...workArguments('bench', values, rest, defaultWorkloads),
    reps: wholeOf('reps', text('reps'), 1) ?? 3,
    profile: values.profile === true || svg !== undefined,
    svg,
  };
};

/** A draft model for speculative sampling, and how far it guesses. */
const draftOf = (preset: string | undefined, tokens: string | undefined): DraftArguments | undefined => {
  const numSpeculativeTokens = wholeOf('speculative-tokens', tokens, 1);
  if (preset === undefined && tokens !== undefined)
    throw new Error('--speculative-tokens: expected together with --draft, got no draft');
  return preset === undefined ? undefined : { preset, numSpeculativeTokens };
};

const deviceOf = (name: string | undefined): DeviceChoice | undefined =>
  oneOf('device', name, ['webgpu', 'reference', 'auto']);

const poolingOf = (name: string | undefined): PoolingMode | undefined => {
  if (name === undefined || name === 'mean' || name === 'cls' || name === 'max') return name;
  throw new Error(`--pooling: expected mean, cls or max, got ${name}`);
};

const outOf = (path: string | undefined): string | undefined => {
  if (path !== undefined && !/\.(?:npy|safetensors|jsonl)$/.test(path))
    throw new Error(`--out: expected a file whose name ends in .npy, .safetensors or .jsonl, got ${path}`);
  return path;
};

/** The preset that embed and inspect are for, and what stands behind it. */
const presetFirst = (command: string, rest: readonly string[]): readonly [string, ...string[]] => {
  const [preset, ...more] = rest;
  if (preset === undefined) throw new Error(`${command}: expected a preset: an id, hf://user/repo, or a folder`);
  return [preset, ...more];
};

const embedArguments = (
  rest: readonly string[],
  values: Readonly<Partial<Record<OptionName, unknown>>>,
): Omit<EmbedArguments, 'revision' | 'device'> => {
  const text = (name: OptionName): string | undefined => values[name] as string | undefined;
  const [preset, ...texts] = presetFirst('embed', rest);
  return {
    preset,
    texts,
    files: (values.file ?? []) as readonly string[],
    out: outOf(text('out')),
    batchSize: wholeOf('batch-size', text('batch-size'), 1) ?? 32,
    sequenceLength: wholeOf('sequence-length', text('sequence-length'), 1),
    pooling: poolingOf(text('pooling')),
    raw: values.raw === true,
  };
};

const inspectCommand = (rest: readonly string[], revision: string | undefined, json: boolean): Command => {
  const [preset, ...more] = presetFirst('inspect', rest);
  if (more.length > 0) throw new Error(`inspect: expected one preset, got ${rest.length}`);
  return { command: 'inspect', preset, revision, json };
};

const presetsCommand = (
  rest: readonly string[],
  {
    revision,
    message,
    private: own,
  }: { readonly revision?: string; readonly message?: string; readonly private?: boolean },
  json: boolean,
): Command => {
  const [first = '', ...more] = rest;
  if (first === 'push') {
    const [folder, uri] = more;
    if (folder === undefined || uri === undefined || more.length > 2)
      throw new Error(`presets push: expected a folder and hf://user/repo, got ${more.length}`);
    if (revision !== undefined)
      throw new Error('--revision: expected with presets pull only; for push, hf://user/repo@branch');
    return { command: 'push', folder, uri, isPrivate: own === true, message, json };
  }
  if (message !== undefined || own !== undefined)
    throw new Error(`--${message === undefined ? 'private' : 'message'}: expected with presets push only`);
  if (first === 'pull') {
    const [preset] = more;
    if (preset === undefined || more.length > 1)
      throw new Error(`presets pull: expected one preset, an id or a handle, got ${more.length}`);
    return { command: 'pull', preset, revision, json };
  }
  if (more.length > 0) throw new Error(`presets: expected one text to look for, got ${rest.length}`);
  if (revision !== undefined) throw new Error('--revision: expected with presets pull only');
  return { command: 'presets', filter: first, json };
};

/** The command that arguments ask for, or what is wrong with them. */
export const parseCommand = (args: readonly string[], freshSeed: () => number): E.Either<string, Command> =>
  E.tryCatch(
    (): Command => {
      const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
      const [command = 'help', ...rest] = positionals;
      if (values.version === true || command === 'version') return { command: 'version' };
      if (values.help === true || command === 'help') return { command: 'help' };
      if (rest.length > 0 && !['presets', 'bench', 'tune', 'embed', 'inspect'].includes(command))
        throw new Error(
          `expected options after ${command}, got ${JSON.stringify(rest[0])}${command === 'generate' ? '; is a prompt meant? use --prompt' : command === 'score' ? '; is a text meant? use --text' : ''}`,
        );
      if (!isCommand(command))
        throw new Error(`expected ${Object.keys(optionsOf).join(', ')}, setup or help, got ${command}`);
      const foreign = Object.keys(values).find((name) => !optionsOf[command].includes(name as OptionName));
      if (foreign !== undefined)
        throw new Error(
          `--${foreign}: expected an option of ${command} (${optionsOf[command].map((name) => `--${name}`).join(', ')})`,
        );
      if (command === 'presets') return presetsCommand(rest, values, values.json === true);
      if (command === 'inspect') return inspectCommand(rest, values.revision, values.json === true);
      if (command === 'embed') {
        const { revision, device } = values;
        return { command, ...embedArguments(rest, values), revision, device: deviceOf(device) };
      }
      const common = {
        preset: values.preset ?? 'gpt2_tiny_en',
        revision: values.revision,
        device: deviceOf(values.device),
        json: values.json === true,
      };
      if (command === 'doctor') return { command, json: common.json };
      if (command === 'score')
        return { ...common, command, texts: values.text ?? [], top: wholeOf('top', values.top, 1) ?? 0 };
      if (command === 'bench') return { ...common, command, ...benchArguments(values, rest) };
      if (command === 'tune') return { ...common, command, ...tuneArguments(values, rest) };
      const seed = wholeOf('seed', values.seed);
      if (command === 'fit') return { ...common, command, ...fitArguments(values), seed: seed ?? 0 };
      return {
        ...common,
        command,
        prompts: values.prompt ?? [],
        maxLength: numberOf('max-length', values['max-length']),
        sampler: samplerOf(values.sampler, {
          temperature: numberOf('temperature', values.temperature),
          topK: numberOf('top-k', values['top-k']),
          topP: numberOf('top-p', values['top-p']),
          minP: numberOf('min-p', values['min-p']),
          alpha: numberOf('alpha', values.alpha),
          numBeams: numberOf('num-beams', values['num-beams']),
          allBeams: values['all-beams'],
          repetitionPenalty: numberOf('repetition-penalty', values['repetition-penalty']),
        }),
        draft: draftOf(values.draft, values['speculative-tokens']),
        seed: seed ?? freshSeed(),
      };
    },
    (cause) => (cause instanceof Error ? cause.message : String(cause)),
  );
