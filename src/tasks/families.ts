import type { Family } from '../weights/index.ts';
import type { AnyCausalFamily } from './causalFamily.ts';
import { falconFamily } from './falcon.ts';
import { gemmaFamily } from './gemma.ts';
import { gpt2Family } from './gpt2.ts';

/** The families of causal language models, by name. */
export const causalFamilies: ReadonlyMap<Family, AnyCausalFamily> = new Map(
  [gpt2Family, falconFamily, gemmaFamily].map((family) => [family.family, family]),
);
