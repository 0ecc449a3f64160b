// Does the model know whether a story is about a girl or a boy, before it writes "her" or "his"?
//
// A logistic regression reads the residual stream at the last token of "One day, Anna lost": the embeddings, and what each
// layer leaves. It learns from eight names and is judged on four others, so it has to find what girls' names share.
import { at, GPT2CausalLM, getDevice, gradients, leaves, ops, read, type Tensor, tensor, withLeaves } from 'purelm';
import { Adam, BinaryCrossentropy, type OptimizerState } from 'purelm/training';

const names = ['Anna', 'Mia', 'Lily', 'Rosa', 'Tom', 'Ben', 'Max', 'Leo']; // Girls first, then as many boys.
const newNames = ['Emma', 'Nina', 'Sam', 'Otto'];
const times = ['One morning', 'One evening', 'One day', 'One cold night', 'One sunny afternoon', 'Early one morning'];
const lm = await GPT2CausalLM.fromPreset('gpt2_tiny_en');
const probes = lm.backbone.config.numLayers + 1;

/** The stream at the last token, from the embeddings on: `[probes, texts, hiddenDim]`. */
const streams = (names: readonly string[]): Tensor => {
  const texts = names.flatMap((name) => times.map((time) => `${time}, ${name} lost`));
  const { tokenIds, paddingMask } = lm.preprocessor!.generatePreprocess(texts, { sequenceLength: 12 });
  const lengths = ops.cast(ops.sum(ops.cast(tensor(paddingMask), 'float32'), { axis: 1 }), 'int32');
  const isLast = ops.expandDims(ops.oneHot(ops.subtract(lengths, 1), 12), -1); // [texts, 12, 1]
  const seen: Tensor[] = [];
  const watch = at({ site: ['embeddings', 'residualPost'] }, (x, { layer = -1 }) => (seen[layer + 1] = x));
  lm.backbone.apply({ tokenIds }, { intercept: watch });
  const last = seen.map((x) => ops.sum(ops.multiply(x, isLast), { axis: 1, keepDims: true }));
  return ops.transpose(ops.concatenate(last, { axis: 1 }), [1, 0, 2]);
};
/** 1 for girls and 0 for boys, `[probes, texts]`. */
const labels = ({ shape: [, texts = 0] }: Tensor): Tensor =>
  ops.broadcastTo(ops.cast(ops.less(ops.arange(texts), texts / 2), 'float32'), [probes, texts]);

type Params = { readonly w: Tensor; readonly b: Tensor }; // All probes, trained side by side.
const logits = ({ w, b }: Params, x: Tensor): Tensor => ops.add(ops.sum(ops.multiply(x, w), { axis: -1 }), b);
const loss = BinaryCrossentropy({ fromLogits: true, reduction: 'sum' });
const optimizer = Adam({ learningRate: 0.02 });
const step = ({ params, state }: { readonly params: Params; readonly state: OptimizerState }, x: Tensor) => {
  const slopes = gradients(loss.call(labels(x), logits(params, x)), leaves(params));
  return optimizer.step(params, withLeaves(params, slopes), state);
};
const start = { w: ops.zeros([probes, 1, lm.backbone.config.hiddenDim]), b: ops.zeros([probes, 1]) };
const train = (await getDevice()).compile(step, { donate: [0] });
const { params } = await train.repeat(200, { params: start, state: optimizer.init(start) }, streams(names));

const x = streams(newNames);
const isRight = ops.equal(ops.greater(logits(params, x), 0), ops.greater(labels(x), 0));
/** The share of texts with new names that each probe tells apart. */
export const accuracy = [...(await read(ops.mean(ops.cast(isRight, 'float32'), { axis: 1 }))).data];
for (const [i, share] of accuracy.entries())
  console.log(`${i === 0 ? 'embeddings   ' : `after layer ${i - 1}`}  ${Math.round(100 * share)} % of the new names`);
