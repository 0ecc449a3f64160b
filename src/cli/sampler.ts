import {
  BeamSampler,
  ContrastiveSampler,
  drawingSampler,
  GreedySampler,
  keepMinP,
  keepTopK,
  keepTopP,
  type Narrowing,
  repetitionPenalty,
  type Sampler,
  TopKSampler,
  TopPSampler,
  withLogits,
} from '../samplers/index.ts';

/** What the command line says of sampling, as numbers; undefined where it says nothing. */
export interface SamplerArguments {
  readonly temperature: number | undefined;
  readonly topK: number | undefined;
  readonly topP: number | undefined;
  readonly minP: number | undefined;
  readonly alpha: number | undefined;
  readonly numBeams: number | undefined;
  readonly allBeams: boolean | undefined;
  readonly repetitionPenalty: number | undefined;
}

type Flag = keyof SamplerArguments;

/** The flags of the command line, by the names that they have here. */
const flags: Readonly<Record<Flag, string>> = {
  temperature: 'temperature',
  topK: 'top-k',
  topP: 'top-p',
  minP: 'min-p',
  alpha: 'alpha',
  numBeams: 'num-beams',
  allBeams: 'all-beams',
  repetitionPenalty: 'repetition-penalty',
};

/** Which flags a sampler has, besides the temperature and the penalty. */
const flagsOf: Readonly<Record<string, readonly Flag[]>> = {
  greedy: [],
  random: ['minP'],
  top_k: ['topK', 'minP'],
  top_p: ['topP', 'topK', 'minP'],
  beam: ['numBeams', 'allBeams'],
  contrastive: ['topK', 'alpha'],
};

const impliedBy = ({ topP, numBeams, allBeams, alpha }: SamplerArguments): string =>
  numBeams !== undefined || allBeams !== undefined
    ? 'beam'
    : alpha !== undefined
      ? 'contrastive'
      : topP !== undefined
        ? 'top_p'
        : 'top_k';

/** A record without what is undefined. */
const known = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

/** Draws from what the flags leave, which may be everything. */
const drawn = (name: string, { temperature, topK, topP, minP }: SamplerArguments): Sampler => {
  const steps: readonly (Narrowing | undefined)[] = [
    topK === undefined ? undefined : keepTopK(topK),
    minP === undefined ? undefined : keepMinP(minP),
    topP === undefined ? undefined : keepTopP(topP),
  ];
  return drawingSampler(name, known({ temperature }), (all) =>
    steps.reduce((candidates, step) => step?.(candidates) ?? candidates, all),
  );
};

const plain = (name: string, given: SamplerArguments): Sampler => {
  const { temperature, topK: k, topP: p, minP, alpha, numBeams, allBeams: returnAllBeams } = given;
  if (name === 'greedy') return GreedySampler(known({ temperature }));
  if (name === 'beam') return BeamSampler(known({ temperature, numBeams, returnAllBeams }));
  if (name === 'contrastive') return ContrastiveSampler(known({ temperature, k, alpha }));
  if (minP === undefined && name === 'top_k') return TopKSampler(known({ temperature, k }));
  if (minP === undefined && name === 'top_p') return TopPSampler(known({ temperature, k, p }));
  return drawn(name, { ...given, topK: name === 'top_k' ? (k ?? 5) : k, topP: name === 'top_p' ? (p ?? 0.1) : p });
};

/**
 * The sampler that the command line asks for by name, or by the flags that it gives.
 *
 * @throws {Error} If the name is none, a flag is not the sampler's, or a number is out of range.
 */
export const samplerOf = (asked: string | undefined, given: SamplerArguments): Sampler => {
  const name = asked ?? impliedBy(given);
  const own = Object.hasOwn(flagsOf, name) ? flagsOf[name] : undefined;
  if (own === undefined)
    throw new Error(
      `--sampler: expected ${Object.keys(flagsOf).join(', ')}, got ${name}${name === 'speculative' ? '; name a draft with --draft, and any sampler that draws' : ''}`,
    );
  const foreign = (Object.keys(flags) as readonly Flag[]).find(
    (flag) => given[flag] !== undefined && !['temperature', 'repetitionPenalty', ...own].includes(flag),
  );
  if (foreign !== undefined)
    throw new Error(`--${flags[foreign]}: expected only with a sampler that uses it, got --sampler ${name}`);
  const sampler = plain(name, given);
  return given.repetitionPenalty === undefined
    ? sampler
    : withLogits(repetitionPenalty(given.repetitionPenalty), sampler);
};
