import type { Family } from '../weights/index.ts';
import { bartFamily } from './bart.ts';
import type { AnyCausalFamily } from './causalFamily.ts';
import { falconFamily } from './falcon.ts';
import { gemmaFamily } from './gemma.ts';
import { gpt2Family } from './gpt2.ts';
import type { AnySeq2SeqFamily } from './seq2seqFamily.ts';

/** The families of causal language models, by name. */
export const causalFamilies: ReadonlyMap<Family, AnyCausalFamily> = new Map(
  [gpt2Family, falconFamily, gemmaFamily].map((family) => [family.family, family]),
);

/** The families of sequence-to-sequence models, by name. */
export const seq2seqFamilies: ReadonlyMap<Family, AnySeq2SeqFamily> = new Map(
  [bartFamily].map((family) => [family.family, family]),
);
