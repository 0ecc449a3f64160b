// Which heads look back to where the same token stood before?
//
// Random tokens are shown twice in a row, and, for comparison, behind other random tokens. A head that goes on with
// repetitions looks, at every token of the second round, to the eight places behind the same token in the first round, and
// does so only if the first round is the same. Its score is the share of its attention that goes there, less the share
// that goes there without a repetition. A model that has such heads has an easier second round.
// See Olsson et al. 2022, "In-context Learning and Induction Heads".
import { at, GPT2CausalLM, ops, read, type Tensor } from 'purelm';

const [rows, period, places] = [8, 24, 8] as const;
const lm = await GPT2CausalLM.fromPreset('gpt2_tiny_en');
const randomRound = (seed: number): Tensor =>
  ops.cast(ops.multiply(ops.uniform(ops.key(seed), [rows, period]), lm.backbone.config.vocabularySize), 'int32');
const [round, other] = [randomRound(7), randomRound(8)];
const [again, anew] = [round, other].map((first) => ops.concatenate([first, round], { axis: 1 })) as [Tensor, Tensor];
const tokenIds = ops.concatenate([again, anew], { axis: 0 }); // [2 * rows, 2 * period]
const targetIds = ops.roll(tokenIds, -1, { axis: 1 });

const patterns: Tensor[] = []; // of each layer, [2 * rows, heads, queries, keys]
const intercept = at({ site: 'pattern' }, (x, { layer = 0 }) => (patterns[layer] = x));
const losses = lm.score({ tokenIds, targetIds, scoringMode: 'loss', intercept }); // [2 * rows, 2 * period]

// For each query of the second round, the keys behind the same token in the first: [period, keys].
const behind = ops.subtract(ops.arange(2 * period), ops.expandDims(ops.arange(period), -1));
const near = ops.cast(ops.logicalAnd(ops.greater(behind, 0), ops.lessEqual(behind, places)), 'float32');
const scoresOf = (pattern: Tensor): Tensor => {
  const shares = ops.sum(ops.multiply(ops.sliceAxis(pattern, 2, period), near), { axis: -1 });
  const [repeated, plain] = [0, rows].map((from) =>
    ops.mean(ops.sliceAxis(shares, 0, from, from + rows), { axis: [0, 2] }),
  );
  return ops.subtract(repeated!, plain!);
};

/** `scores[layer].data[head]`, and the mean loss of a token in each round. */
export const { scores, first, second } = await read({
  scores: patterns.map(scoresOf),
  first: ops.mean(ops.slice(losses, [0, 0], [rows, period - 1])),
  second: ops.mean(ops.slice(losses, [0, period - 1], [rows, period])),
});
for (const [layer, { data }] of scores.entries())
  console.log(`layer ${layer}  ${Array.from(data, (score) => score.toFixed(3).padStart(6)).join('  ')}`);
console.log(`loss of the first round ${first.data[0]!.toFixed(2)}, of the second ${second.data[0]!.toFixed(2)}`);
