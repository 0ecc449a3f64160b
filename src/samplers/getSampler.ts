import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { BeamSampler } from './beamSampler.ts';
import { ContrastiveSampler } from './contrastiveSampler.ts';
import type { Sampler } from './sampler.ts';
import { CustomSampler, GreedySampler, RandomSampler, TopKSampler, TopPSampler } from './samplers.ts';
import { SpeculativeSampler } from './speculativeSampler.ts';

/** Samplers that `compile` knows by name. */
const namedSamplers = {
  greedy: GreedySampler,
  top_k: TopKSampler,
  top_p: TopPSampler,
  random: RandomSampler,
  beam: BeamSampler,
  contrastive: ContrastiveSampler,
  speculative: SpeculativeSampler,
} as const;

/** A name of a sampler. */
export type SamplerName = keyof typeof namedSamplers;

/** A sampler written down: the name of its class, with `keras_hub>` before it or not, and its options. */
export interface SamplerConfig {
  /** Such as `BeamSampler`, or `beam`. */
  readonly className: string;
  /** Its options. Default: none. */
  readonly config?: object;
}

/** What `compile` takes for a sampler: a name, a sampler, one written down, or a function from probabilities to tokens. */
export type SamplerLike = SamplerName | Sampler | SamplerConfig | ((probabilities: Tensor) => Tensor);

const classNames: ReadonlyMap<string, SamplerName> = new Map([
  ['GreedySampler', 'greedy'],
  ['TopKSampler', 'top_k'],
  ['TopPSampler', 'top_p'],
  ['RandomSampler', 'random'],
  ['BeamSampler', 'beam'],
  ['ContrastiveSampler', 'contrastive'],
  ['SpeculativeSampler', 'speculative'],
]);

const names = Object.keys(namedSamplers).join(', ');

const named = (name: string, config: object): Sampler => {
  if (!Object.hasOwn(namedSamplers, name))
    throw new ArgumentError(`sampler: expected one of ${names} (lower case) or a Sampler, got ${JSON.stringify(name)}`);
  if (name === 'speculative' && !('draft' in config))
    throw new ArgumentError(
      'sampler: expected a draft model with speculative, got none; pass SpeculativeSampler({ draft })',
    );
  return (namedSamplers[name as SamplerName] as (options: object) => Sampler)(config);
};

const isConfig = (value: object): value is SamplerConfig => 'className' in value;

/**
 * The sampler that is meant.
 *
 * @throws {ArgumentError} If the name is none of those known, or its options are wrong.
 * @see keras_hub.samplers.get
 */
export const getSampler = (sampler: SamplerLike): Sampler => {
  if (typeof sampler === 'function') return CustomSampler({ nextToken: sampler });
  if (typeof sampler === 'string') return named(sampler, {});
  if (typeof sampler === 'object' && sampler !== null) {
    if (isConfig(sampler)) {
      refuseUnknown('sampler', sampler, ['className', 'config']);
      const own = String(sampler.className).replace(/^keras_hub>/, '');
      return named(classNames.get(own) ?? own, sampler.config ?? {});
    }
    if (typeof sampler.decoding?.start === 'function') return sampler;
  }
  throw new ArgumentError(
    `sampler: expected a name (${names}), a Sampler or a function from probabilities to tokens, got ${JSON.stringify(sampler)}`,
  );
};
