import { parseArgs } from 'node:util';
import * as E from 'fp-ts/lib/Either.js';
import type { DeviceChoice } from '../runtime/device.ts';
import type { Sampler } from '../samplers/sampler.ts';
import { GreedySampler, RandomSampler, TopKSampler, TopPSampler } from '../samplers/samplers.ts';

/** What `purelm generate` was asked for. */
export interface GenerateArguments {
  readonly preset: string;
  /** Prompts of the command line; none: from standard input. */
  readonly prompts: readonly string[];
  readonly maxLength: number | undefined;
  readonly sampler: Sampler;
  readonly seed: number;
  readonly device: DeviceChoice | undefined;
  readonly json: boolean;
}

/** What the command line says. */
export type Command =
  | ({ readonly command: 'generate' } & GenerateArguments)
  | { readonly command: 'doctor'; readonly json: boolean }
  | { readonly command: 'help' | 'version' };

/** The text of `purelm help`. */
export const usage = `purelm: language models on WebGPU

  purelm generate [options]     write on from prompts
  purelm doctor [--json]        which adapter, its limits and features, and why this one
  purelm setup                  look for an adapter again
  purelm help | version

Options of generate:
  --preset ID-OR-FOLDER   gpt2_tiny_en, which ships with the package, or a preset folder (default gpt2_tiny_en)
  --prompt TEXT           may be given more than once; without it, every line of standard input is a prompt
  --max-length N          tokens of prompt and answer together (default: the preset's)
  --sampler NAME          greedy, top_k, top_p or random (default top_k, or what --top-k and --top-p ask for)
  --temperature T         divides the logits (default 1)
  --top-k K               draw from the K likeliest (default 5)
  --top-p P               draw from the likeliest that make up P
  --seed N                one seed, one text (default: a new one, which is printed)
  --device NAME           webgpu, reference or auto (default auto)
  --json                  one line of JSON for each prompt

Text goes to standard output, everything else to standard error.
Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
`;

const options = {
  preset: { type: 'string' },
  prompt: { type: 'string', multiple: true },
  'max-length': { type: 'string' },
  sampler: { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  seed: { type: 'string' },
  device: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

const numberOf = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new Error(`--${name}: expected a number, got ${text}`);
  return value;
};

const samplerOf = (
  name: string | undefined,
  given: { readonly temperature?: number; readonly k?: number; readonly p?: number },
): Sampler => {
  const { temperature, k, p } = given;
  const warm = temperature === undefined ? {} : { temperature };
  const refuse = (flag: string, value: number | undefined): void => {
    if (value !== undefined)
      throw new Error(`--${flag}: expected only with a sampler that uses it, got --sampler ${name}`);
  };
  switch (name ?? (p !== undefined ? 'top_p' : 'top_k')) {
    case 'greedy':
      refuse('top-k', k);
      refuse('top-p', p);
      return GreedySampler(warm) as Sampler;
    case 'random':
      refuse('top-k', k);
      refuse('top-p', p);
      return RandomSampler(warm) as Sampler;
    case 'top_k':
      refuse('top-p', p);
      return TopKSampler({ ...warm, ...(k === undefined ? {} : { k }) }) as Sampler;
    case 'top_p':
      return TopPSampler({ ...warm, ...(p === undefined ? {} : { p }), ...(k === undefined ? {} : { k }) }) as Sampler;
    default:
      throw new Error(`--sampler: expected greedy, top_k, top_p or random, got ${name}`);
  }
};

const deviceOf = (name: string | undefined): DeviceChoice | undefined => {
  if (name === undefined || name === 'auto' || name === 'webgpu' || name === 'reference') return name;
  throw new Error(`--device: expected webgpu, reference or auto, got ${name}`);
};

/** The command that arguments ask for, or what is wrong with them. */
export const parseCommand = (args: readonly string[], freshSeed: () => number): E.Either<string, Command> =>
  E.tryCatch(
    (): Command => {
      const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
      const [command = 'help', ...rest] = positionals;
      if (values.version === true || command === 'version') return { command: 'version' };
      if (values.help === true || command === 'help') return { command: 'help' };
      if (rest.length > 0)
        throw new Error(
          `expected options after ${command}, got ${JSON.stringify(rest[0])}; is a prompt meant? use --prompt`,
        );
      if (command === 'doctor') return { command, json: values.json === true };
      if (command !== 'generate') throw new Error(`expected generate, doctor, setup or help, got ${command}`);
      const temperature = numberOf('temperature', values.temperature);
      const k = numberOf('top-k', values['top-k']);
      const p = numberOf('top-p', values['top-p']);
      const seed = numberOf('seed', values.seed);
      if (seed !== undefined && !Number.isSafeInteger(seed))
        throw new Error(`--seed: expected a whole number, got ${values.seed}`);
      return {
        command,
        preset: values.preset ?? 'gpt2_tiny_en',
        prompts: values.prompt ?? [],
        maxLength: numberOf('max-length', values['max-length']),
        sampler: samplerOf(values.sampler, {
          ...(temperature === undefined ? {} : { temperature }),
          ...(k === undefined ? {} : { k }),
          ...(p === undefined ? {} : { p }),
        }),
        seed: seed ?? freshSeed(),
        device: deviceOf(values.device),
        json: values.json === true,
      };
    },
    (cause) => (cause instanceof Error ? cause.message : String(cause)),
  );
