// Where does the model keep whom the story is about?
//
// A run on "Tom" (the corrupt prompt) gets one activation of a run on "Anna" (the clean one): the residual stream after one
// layer, at one token. A cell of the table says how much of the preference for "She" over "He" that brings back: 0 is the
// corrupt run's, 1 the clean run's. All tokens of a layer are one batch, and the whole table is one evaluation.
import { at, GPT2CausalLM, type Intercept, identityIntercept, ops, read, type Tensor, tensor } from 'purelm';

const lm = await GPT2CausalLM.fromPreset('gpt2_tiny_en');
const { startTokenId, tokenize, idToToken } = lm.tokenizer!;
const [she = 0, he = 0] = [' She', ' He'].map((word) => tokenize(word)[0]!);
const [clean = [], corrupt = []] = ['Anna', 'Tom'].map((name) => [
  startTokenId,
  ...tokenize(`One morning, ${name} was very hungry.`),
]);
const { length } = clean;

/** `logit(She) - logit(He)` after the last token of each row, `[rows]`. */
const preference = (rows: readonly (readonly number[])[], intercept: Intercept): Tensor => {
  const logits = lm.apply({ tokenIds: rows }, { intercept });
  const [forShe, forHe] = [she, he].map((id) => ops.slice(logits, [0, length - 1, id], [rows.length, 1, 1]));
  return ops.reshape(ops.subtract(forShe!, forHe!), [rows.length]);
};

const kept: Tensor[] = [];
const cleanPreference = preference(
  [clean],
  at({ site: 'residualPost' }, (x, { layer = 0 }) => (kept[layer] = x)),
);
const corruptPreference = preference([corrupt], identityIntercept);

/** How much comes back, `[rows]`, if the clean run's stream is put in after a layer at some tokens of each row. */
export const recovery = (layer: number, tokens: readonly (readonly boolean[])[]): Tensor => {
  const isPatched = ops.expandDims(tensor(tokens), -1); // [rows, length, 1]
  const patch = at({ site: 'residualPost', layer }, (x) => ops.where(isPatched, kept[layer]!, x));
  const patched = preference(
    tokens.map(() => corrupt),
    patch,
  );
  const change = ops.subtract(cleanPreference, corruptPreference);
  return ops.divide(ops.subtract(patched, corruptPreference), change);
};

/** One row a token, at which alone the stream is put in. */
const oneByOne = clean.map((_, token) => clean.map((_, other) => other === token));
/** `table[layer].data[token]` */
export const table = await read(
  Array.from({ length: lm.backbone.config.numLayers }, (_, layer) => recovery(layer, oneByOne)),
);

console.log('token     after layer', table.map((_, layer) => String(layer).padStart(6)).join(''));
for (const [token, id] of corrupt.entries())
  console.log(idToToken(id).padEnd(20), table.map(({ data }) => data[token]!.toFixed(2).padStart(6)).join(''));
