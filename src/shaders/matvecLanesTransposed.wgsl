// y[z, i, j] = activate(sum_l a[z, i, l] * b[z, l, j] + bias[j]) + residual[z, i, j]
// for a single row i, the rows of the transposed b side by side in fours. For adapters that run subgroups on a CPU, as
// matmulLanes: one subgroup is a workgroup and computes 2 * SUBGROUP columns, two to a lane; the lanes load four elements
// of a each at once, and share them.
// Gated, a lane's second column is of another part of b, and its sum a factor: y = activate(a b) * (a c).
// Grid: a workgroup for each matrix of the batch and 2 * SUBGROUP columns, gated SUBGROUP. Reference: src/ops/matmul.ts.

enable subgroups;

override FORMAT: u32 = 0;   // Of b: 0 float32, 1 float16, 2 bfloat16; halves are two to a word, and lie in eights.
override SUBGROUP: u32 = 8; // Lanes: 4 or more.
override GATED: u32 = 0;    // 1: columns of b have columns of it for factors; there is neither bias nor residual then.
override BEST: u32 = 0;     // 1: of its columns a workgroup writes the largest, and which it is, in place of all of them;
                            // the first is column biasOffset then, of no bias.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.
const NONE = 0xffffffffu;

struct Uniforms {
  workgroups: u32, rowTiles: u32, columnTiles: u32, m: u32, k: u32, n: u32, inner: u32,
  aOffset: u32, aOuter: u32, aInner: u32, aRow: u32, aColumn: u32,
  bOffset: u32, bOuter: u32, bInner: u32, bRow: u32, bColumn: u32,
  yOffset: u32, yOuter: u32, yInner: u32, yRow: u32,
  lanes: u32, each: u32,
  factor: u32, // Gated: vectors from those of a column to those of its factor.
  continues: u32, hasBias: u32, biasFormat: u32, biasOffset: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;   // [batch, 1, k], aColumn 1
@group(0) @binding(2) var<storage, read> b: array<vec4u>;   // [batch, n, k], bColumn a multiple of a vector, bRow 1
@group(0) @binding(3) var<storage, read> bias: array<u32>;     // [n]
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [batch, m, n]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [batch, m, n]

fn widen(word: u32, high: bool, format: u32) -> f32 {
  if (format == 0u) { return bitcast<f32>(word); }
  if (format == 1u) { return select(unpack2x16float(word).x, unpack2x16float(word).y, high); }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, high));
}

fn biasAt(j: u32) -> f32 {
  let at = uniforms.biasOffset + j;
  return widen(bias[select(at / 2u, at, uniforms.biasFormat == 0u)], at % 2u == 1u, uniforms.biasFormat);
}

// 1 relu, 2 gelu, 3 geluApproximate, 4 silu, 5 tanh; all but relu from one exponential.
fn activate(x: f32, kind: u32) -> f32 {
  if (kind == 0u) { return x; }
  if (kind == 1u) { return max(x, 0.0); }
  let z = select(select(x, 2.0 * x, kind == 5u), 1.5957691216057308 * (x + 0.044715 * x * x * x), kind == 3u);
  let e = exp(max(-80.0, select(min(-z, 80.0), -0.5 * x * x, kind == 2u)));
  let s = 1.0 / (1.0 + e);
  // erf by formula 7.1.26 of Abramowitz and Stegun, right to 1.5e-7.
  let t = 1.0 / (1.0 + 0.3275911 * 0.7071067811865476 * abs(x));
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * e;
  let exact = 0.5 * x * (1.0 + sign(x) * (1.0 - tail));
  return select(select(x * s, 2.0 * s - 1.0, kind == 5u), exact, kind == 2u);
}

// The result for row i and column j, from its sum.
fn finish(sum: f32, start: u32, i: u32, j: u32) {
  let at = start + i * uniforms.yRow + j;
  var value = sum;
  if (uniforms.continues != 0u) { value += y[at]; }
  if (uniforms.hasBias != 0u) { value += biasAt(j); }
  value = activate(value, uniforms.activation);
  if (uniforms.joins != 0u) {
    let other = residual[at];
    value = select(value + other, value * other, uniforms.joins == 2u);
  }
  y[at] = value;
}

// Two terms of a word.
fn halves(word: u32) -> vec2f {
  if (FORMAT == 1u) { return unpack2x16float(word); }
  return vec2f(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

// Terms of a column from a vector of b: four in float32, eight in halves.
fn product(low: vec4f, high: vec4f, words: vec4u) -> f32 {
  if (FORMAT == 0u) { return dot(low, bitcast<vec4f>(words)); }
  return dot(low, vec4f(halves(words.x), halves(words.y))) + dot(high, vec4f(halves(words.z), halves(words.w)));
}

// A number, and the column that it is of.
struct Best { peak: f32, place: u32 }

// The best of some columns, and of one more behind them.
fn better(best: Best, value: f32, j: u32) -> Best {
  let own = max(value, LOWEST); // Something is largest even in a row of -infinity.
  let isBetter = own > best.peak || best.place == NONE;
  return Best(select(best.peak, own, isBetter), select(best.place, j, isBetter));
}

// Of what the lanes found the best one, the lowest where there are several; its column counts from `base` on.
fn writeBest(best: Best, at: u32, base: u32, lane: u32) {
  let highest = subgroupMax(best.peak);
  let first = subgroupMin(select(NONE, best.place, best.peak == highest));
  if (lane == 0u) {
    y[at] = highest;
    y[at + 1u] = f32(base + first); // Whole numbers below 2^24 are exact as floats.
  }
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so subgroups stay uniform.
  let isGated = GATED == 1u;
  let firstColumn = id % uniforms.columnTiles * select(2u, 1u, isGated) * SUBGROUP;
  let z = id / uniforms.rowTiles / uniforms.columnTiles;
  let outer = z / uniforms.inner;
  let inner = z % uniforms.inner;
  let aStart = (uniforms.aOffset + outer * uniforms.aOuter + inner * uniforms.aInner) / 4u;
  let bStart = uniforms.bOffset + outer * uniforms.bOuter + inner * uniforms.bInner;
  let yStart = uniforms.yOffset + outer * uniforms.yOuter + inner * uniforms.yInner;

  // Columns that are not there are computed from the last one, and not stored.
  let width = select(8u, 4u, FORMAT == 0u);
  let columns = firstColumn + lane + vec2u(0u, select(SUBGROUP, 0u, isGated));
  let factor = vec2u(0u, select(0u, uniforms.factor, isGated));
  var bAt = (bStart + min(columns, vec2u(uniforms.n - 1u)) * uniforms.bColumn) / width + factor;
  let vectors = uniforms.k / 4u; // Of a.
  var sums = vec2f();
  for (var first = 0u; first < vectors; first += SUBGROUP) {
    let x = a[aStart + min(first + lane, vectors - 1u)];
    for (var l = 0u; l < min(uniforms.lanes, vectors - first); l += width / 4u) {
      let low = subgroupShuffle(x, l);
      let high = subgroupShuffle(x, select(l + 1u, l, FORMAT == 0u));
      sums += vec2f(product(low, high, b[bAt.x]), product(low, high, b[bAt.y]));
      bAt += 1u;
    }
  }

  var best = Best(LOWEST, NONE);
  for (var c = 0u; c < uniforms.each; c++) {
    let j = firstColumn + lane + c * SUBGROUP;
    if (j >= uniforms.n) { continue; }
    if (BEST == 1u) {
      best = better(best, select(sums.x, sums.y, c == 1u), j);
      continue;
    }
    if (isGated) {
      y[yStart + j] = activate(sums.x, uniforms.activation) * sums.y;
    } else {
      finish(select(sums.x, sums.y, c == 1u), yStart, 0u, j);
    }
  }
  if (BEST == 1u) { writeBest(best, yStart + 2u * id, uniforms.biasOffset, lane); }
}
