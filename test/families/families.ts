import type { CausalModel } from '../../src/models/causalModel.ts';
import { falcon } from '../../src/models/falcon/falcon.ts';
import { falconPresets } from '../../src/models/falcon/presets.ts';
import { gemma } from '../../src/models/gemma/gemma.ts';
import { gemmaPresets } from '../../src/models/gemma/presets.ts';
import { gpt2 } from '../../src/models/gpt2/gpt2.ts';
import { gpt2Presets } from '../../src/models/gpt2/presets.ts';
import type { PresetInfo } from '../../src/models/presetInfo.ts';
import type { CausalBackbone } from '../../src/tasks/backbone.ts';
import { FalconBackbone } from '../../src/tasks/falcon.ts';
import { GemmaBackbone } from '../../src/tasks/gemma.ts';
import { GPT2Backbone } from '../../src/tasks/gpt2.ts';
import type { Tree } from '../../src/tensor/tree.ts';

/** A family as the laws see it. */
export interface FamilyCase {
  /** The model's name, and the sizes if a family has several cases. */
  readonly name: string;
  /** A small backbone of random weights, that reads 32 tokens at least. */
  readonly backbone: CausalBackbone;
  /** The built-in presets. */
  readonly presets: ReadonlyMap<string, PresetInfo<unknown>>;
  /** The model of a preset's config. */
  readonly model: (config: unknown) => CausalModel;
}

/** A case from a family's own types. */
const familyCase = <Config, Params extends Tree>(
  name: string,
  backbone: CausalBackbone<Config, Params>,
  presets: ReadonlyMap<string, PresetInfo<Config>>,
  model: (config: Config) => CausalModel<Params>,
): FamilyCase => ({
  name,
  backbone: backbone as unknown as CausalBackbone,
  presets,
  model: model as unknown as FamilyCase['model'],
});

/** Every family of decoders: a new one joins by a line. Sizes are odd ones: 3 heads, 97 tokens. */
export const familyCases: readonly FamilyCase[] = [
  familyCase(
    'GPT-2',
    GPT2Backbone({
      vocabularySize: 97,
      numLayers: 2,
      numHeads: 3,
      hiddenDim: 24,
      intermediateDim: 40,
      maxSequenceLength: 32,
      seed: 3,
    }),
    gpt2Presets,
    gpt2,
  ),
  familyCase(
    'Falcon',
    FalconBackbone({
      vocabularySize: 97,
      numLayers: 2,
      numAttentionHeads: 3,
      hiddenDim: 24,
      intermediateDim: 40,
      seed: 3,
    }),
    falconPresets,
    falcon,
  ),
  familyCase(
    'Gemma',
    GemmaBackbone({
      vocabularySize: 131,
      numLayers: 2,
      numQueryHeads: 3,
      numKeyValueHeads: 1,
      hiddenDim: 21,
      intermediateDim: 34,
      headDim: 6,
      seed: 3,
    }),
    gemmaPresets,
    gemma,
  ),
  familyCase(
    'Gemma 2, with windows shorter than the texts',
    GemmaBackbone({
      vocabularySize: 131,
      numLayers: 2,
      numQueryHeads: 6,
      numKeyValueHeads: 2,
      hiddenDim: 24,
      intermediateDim: 40,
      headDim: 8,
      usePostAttentionNorm: true,
      usePostFfwNorm: true,
      attentionLogitSoftCap: 5,
      finalLogitSoftCap: 8,
      useSlidingWindowAttention: true,
      slidingWindowSize: 4,
      dropout: 0.1,
      seed: 4,
    }),
    new Map(),
    gemma,
  ),
];
