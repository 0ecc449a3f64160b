// Which heads look for what came next the last time?
//
// Random tokens are shown twice in a row. A head that goes on with repetitions looks, at every token of the second round,
// at the token after the same one in the first round. Its score is the share of its attention that goes there; evenly
// spread, it would be about 1 / 36 here. A model that has such heads has an easier second round.
// See Olsson et al. 2022, "In-context Learning and Induction Heads".
import { at, GPT2CausalLM, ops, read, type Tensor } from 'purelm';

const [rows, period] = [8, 24] as const;
const lm = await GPT2CausalLM.fromPreset('gpt2_tiny_en');
const { vocabularySize } = lm.backbone.config;
const round = ops.cast(ops.multiply(ops.uniform(ops.key(7), [rows, period]), vocabularySize), 'int32');
const tokenIds = ops.concatenate([round, round], { axis: 1 });
const targetIds = ops.roll(tokenIds, -1, { axis: 1 });

const patterns: Tensor[] = []; // of each layer, [rows, heads, queries, keys]
const intercept = at({ site: 'pattern' }, (x, { layer = 0 }) => (patterns[layer] = x));
const losses = lm.score({ tokenIds, targetIds, scoringMode: 'loss', intercept }); // [rows, 2 * period]

const next = ops.oneHot(ops.add(ops.arange(period), 1), 2 * period); // [period, keys]: for each query of the second round
const scoresOf = (pattern: Tensor): Tensor =>
  ops.mean(ops.sum(ops.multiply(ops.sliceAxis(pattern, 2, period), next), { axis: -1 }), { axis: [0, 2] });

/** `scores[layer].data[head]`, and the mean loss of a token in each round. */
export const { scores, first, second } = await read({
  scores: patterns.map(scoresOf),
  first: ops.mean(ops.sliceAxis(losses, 1, 0, period - 1)),
  second: ops.mean(ops.sliceAxis(losses, 1, period - 1, 2 * period - 1)),
});
for (const [layer, { data }] of scores.entries())
  console.log(`layer ${layer}  ${Array.from(data, (score) => score.toFixed(3)).join('  ')}`);
console.log(`loss of the first round ${first.data[0]!.toFixed(2)}, of the second ${second.data[0]!.toFixed(2)}`);
