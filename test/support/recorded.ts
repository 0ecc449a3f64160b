import { BeamSampler, ContrastiveSampler, GreedySampler } from '../../src/samplers/index.ts';
import type { Sampler } from '../../src/samplers/sampler.ts';
import type { RecordedFloats } from './fixtures.ts';

/** Tokens as KerasHub gives and takes them. */
export interface TokenDict {
  readonly token_ids: number[][];
  readonly padding_mask: (boolean | number)[][];
}

/** A sampler as record_beam.py writes it down. */
export interface RecordedSampler {
  readonly class: string;
  readonly temperature: number;
  readonly num_beams?: number;
  readonly k?: number;
  readonly alpha?: number;
}

/** All beams of a run, best first. */
export interface RecordedBeams {
  readonly tokenIds: number[][][];
  readonly logProbs: RecordedFloats;
}

/** The sampler that a record names. */
export const samplerOf = (
  { class: name, temperature, num_beams: numBeams = 1, k = 1, alpha = 0 }: RecordedSampler,
  returnAllBeams = false,
): Sampler =>
  name === 'BeamSampler'
    ? BeamSampler({ numBeams, temperature, returnAllBeams })
    : name === 'ContrastiveSampler'
      ? ContrastiveSampler({ k, alpha, temperature })
      : GreedySampler({ temperature });

/** Whether inputs or results are tokens. */
export const isTokens = (value: unknown): value is TokenDict =>
  typeof value === 'object' && value !== null && 'token_ids' in value;

/** Flat numbers as rows. */
export const rowsOf = (data: ArrayLike<number>, rows: number): number[][] => {
  const all = Array.from(data);
  const length = all.length / rows;
  return Array.from({ length: rows }, (_, row) => all.slice(row * length, (row + 1) * length));
};
