// Which words of "One morning, Anna was very hungry." make the model prefer "She" to "He"?
//
// Integrated gradients: on the straight way from a baseline (the same places, with the start token at each) to the
// embeddings of the text, take the mean slope of the preference, and multiply it by the way. What all tokens get adds up to
// the preference for the text less that for the baseline, but for the error of a sum that stands for an integral.
// See Sundararajan, Taly and Yan 2017.
import { at, CausalLM, gradients, ops, read, type Tensor } from 'purelm';

const lm = await CausalLM.fromPreset('gpt2_tiny_en');
const tokenizer = lm.tokenizer!;
const [she = 0, he = 0] = [' She', ' He'].map((word) => tokenizer.tokenize(word)[0]!);
const ids = [tokenizer.startTokenId, ...tokenizer.tokenize('One morning, Anna was very hungry.')];

/** `[1, length, hiddenDim]` */
const embed = (tokenIds: readonly number[]): Tensor => {
  const seen: Tensor[] = [];
  lm.backbone.apply({ tokenIds: [tokenIds] }, { intercept: at({ site: 'embeddings' }, (x) => (seen[0] = x)) });
  return seen[0]!;
};

/** `logit(She) - logit(He)` after the last place of each row, `[rows]`, of embeddings put in the place of the model's. */
const preference = (embeddings: Tensor): Tensor => {
  const rows = embeddings.shape[0]!;
  const tokenIds = new Array<readonly number[]>(rows).fill(ids);
  const logits = lm.score({ tokenIds, layerInterceptFn: (x, i) => (i === -1 ? embeddings : x) });
  const [forShe, forHe] = [she, he].map((id) => ops.slice(logits, [0, ids.length - 1, id], [rows, 1, 1]));
  return ops.reshape(ops.subtract(forShe!, forHe!), [rows]);
};

/** What each token adds to the preference, by a sum over so many points, and what it should come to. */
export const attribute = async (points: number) => {
  const [text, baseline] = [embed(ids), embed(ids.map(() => tokenizer.startTokenId))];
  const way = ops.subtract(text, baseline);
  const share = ops.divide(ops.add(ops.cast(ops.arange(points), 'float32'), 0.5), points);
  const path = ops.add(baseline, ops.multiply(ops.reshape(share, [points, 1, 1]), way)); // [points, length, hiddenDim]
  const [slopes] = gradients(ops.mean(preference(path)), [path]); // Their sum over the points is the mean slope.
  const change = ops.subtract(preference(text), preference(baseline));
  const [parts, whole] = await read([ops.sum(ops.multiply(slopes!, way), { axis: [0, 2] }), change]);
  return { attributions: [...parts!.data], change: whole!.data[0]! };
};

const { attributions, change } = await attribute(64);
for (const [i, value] of attributions.entries())
  console.log(tokenizer.idToToken(ids[i]!).padEnd(14), value.toFixed(2).padStart(6));
const sum = attributions.reduce((total, value) => total + value, 0);
console.log(`together ${sum.toFixed(3)}; the preference changes by ${change.toFixed(3)}`);
