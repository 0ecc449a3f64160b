// What does the model write about Tom if its stream is pushed towards girls?
//
// The mean difference of the stream after a layer, between prompts about girls and about boys, is a direction. It is added
// at every token, of the prompt and of what is written, with the cache as without.
import { at, CausalLM, ops, read, type Tensor, tensor } from 'purelm';

const lm = await CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy' });
const layer = 2;

/** The mean stream after the layer at the last token of "One morning, NAME was very hungry.", `[hiddenDim]`. */
const meanOf = (names: readonly string[]): Tensor => {
  const { startTokenId, tokenize } = lm.tokenizer!;
  const tokenIds = names.map((name) => [startTokenId, ...tokenize(`One morning, ${name} was very hungry.`)]);
  const seen: Tensor[] = [];
  lm.backbone.apply({ tokenIds }, { intercept: at({ site: 'residualPost', layer }, (x) => (seen[0] = x)) });
  return ops.mean(ops.sliceAxis(seen[0]!, 1, -1), { axis: [0, 1] });
};
const direction = tensor(await read(ops.subtract(meanOf(['Anna', 'Mia', 'Lily']), meanOf(['Tom', 'Ben', 'Max']))));

/** What is written with the direction added so many times. */
export const steered = (prompt: string, times: number): Promise<string> => {
  const push = at({ site: 'residualPost', layer }, (x) => ops.add(x, ops.multiply(direction, times)));
  return lm.generate(prompt, { maxLength: 32, intercept: push });
};

for (const times of [0, 0.25, 0.5, 1])
  console.log(String(times).padEnd(3), await steered('One morning, Tom was very hungry.', times));
