// Which attention heads does the model need most?
//
// Each head in turn is silenced (what it mixes, z, is 0 at every token), and the loss on a few texts is taken again. All
// heads are one evaluation; a layer whose z is replaced still runs in its fused kernels.
import { at, GPT2CausalLM, type Intercept, identityIntercept, ops, read, type Tensor, tensor } from 'purelm';

/** How much the mean loss of a token grows, in nats, without a head. */
export type Ablation = { readonly layer: number; readonly head: number; readonly change: number };

/** Every head of a model, those first without which it does worst. */
export const ablateHeads = async (lm: GPT2CausalLM, texts: readonly string[]): Promise<readonly Ablation[]> => {
  const { numLayers, numHeads } = lm.backbone.config;
  const { x, y, sampleWeight } = lm.preprocessor!.withSequenceLength(64)(texts);
  const counts = ops.cast(tensor(sampleWeight), 'float32');
  const loss = (intercept: Intercept): Tensor => {
    const losses = lm.score({ ...x, targetIds: y, scoringMode: 'loss', intercept }); // [texts, length]
    return ops.divide(ops.sum(ops.multiply(losses, counts)), ops.sum(counts));
  };
  const heads = Array.from({ length: numLayers * numHeads }, (_, i) => ({
    layer: Math.floor(i / numHeads),
    head: i % numHeads,
  }));
  const without = heads.map(({ layer, head }) => {
    const isKept = ops.reshape(ops.notEqual(ops.arange(numHeads), head), [numHeads, 1]);
    return loss(at({ site: 'z', layer }, (z) => ops.where(isKept, z, 0))); // z: [texts, length, heads, headDim]
  });
  const [whole, ...ablated] = await read([loss(identityIntercept), ...without]);
  return heads
    .map((own, i) => ({ ...own, change: ablated[i]!.data[0]! - whole!.data[0]! }))
    .sort((a, b) => b.change - a.change);
};

const texts = [
  'One day, Anna lost her red ball by the river. She looked everywhere, but she could not find it. There she met an old dog. "Where are you going?" asked the dog. "I am looking for my red ball," said Anna.',
  'Two little foxes lived in the valley. One hot day, the foxes were very thirsty. They walked to the lake to drink some water. On the way, they met a bear. "What are you doing?" asked the bear.',
];
const ablated = await ablateHeads(await GPT2CausalLM.fromPreset('gpt2_tiny_en'), texts);
for (const { layer, head, change } of ablated) {
  const bar = '#'.repeat(Math.max(0, Math.round((40 * change) / ablated[0]!.change)));
  console.log(`layer ${layer} head ${head}  ${change.toFixed(4).padStart(7)}  ${bar}`.trimEnd());
}
