// y[z, i, j] = activate(sum_l a[z, i, l] * b[z, l, j] + bias[j]) + residual[z, i, j]
// for a single row i, the rows of the transposed b side by side in fours. A workgroup computes LANES_Y columns; the terms
// of each are spread over LANES_X invocations, whose sums meet in workgroup memory.
// Gated, the second half of the columns are of another part of b, and their sums factors: y = activate(a b) * (a c).
// Grid: a workgroup for each matrix of the batch and LANES_Y columns, gated half as many. Reference: src/ops/matmul.ts.

override FORMAT: u32 = 0;   // Of b: 0 float32, 1 float16, 2 bfloat16; halves are two to a word, and lie in eights.
override LANES_X: u32 = 32; // Invocations along terms: a power of two.
override LANES_Y: u32 = 8;  // Invocations along columns; gated an even number.
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

var<workgroup> partial: array<f32, LANES_X * LANES_Y>; // [LANES_Y][LANES_X]

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.workgroups == 0xffffffffu); }

// A number, and the column that it is of.
struct Best { peak: f32, place: u32 }

// The best of some columns, and of one more behind them.
fn better(best: Best, value: f32, j: u32) -> Best {
  let own = max(value, LOWEST); // Something is largest even in a row of -infinity.
  let isBetter = own > best.peak || best.place == NONE;
  return Best(select(best.peak, own, isBetter), select(best.place, j, isBetter));
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let isGated = GATED == 1u;
  let across = select(LANES_Y, LANES_Y / 2u, isGated); // Columns of a workgroup.
  let firstColumn = id % uniforms.columnTiles * across;
  let z = id / uniforms.rowTiles / uniforms.columnTiles;
  let outer = z / uniforms.inner;
  let inner = z % uniforms.inner;
  let aStart = (uniforms.aOffset + outer * uniforms.aOuter + inner * uniforms.aInner) / 4u;
  let bStart = uniforms.bOffset + outer * uniforms.bOuter + inner * uniforms.bInner;
  let yStart = uniforms.yOffset + outer * uniforms.yOuter + inner * uniforms.yInner;

  // Columns that are not there are computed from the last one, and not stored.
  let width = select(8u, 4u, FORMAT == 0u);
  let column = min(firstColumn + lane.y % across, uniforms.n - 1u);
  let bAt = (bStart + column * uniforms.bColumn) / width + select(0u, uniforms.factor, lane.y >= across);
  var sum = 0.0;
  for (var l = lane.x; l < uniforms.k / width; l += LANES_X) {
    let words = b[bAt + l];
    let aAt = aStart + l * (width / 4u);
    if (FORMAT == 0u) { sum += product(a[aAt], vec4f(), words); } else { sum += product(a[aAt], a[aAt + 1u], words); }
  }

  partial[index] = sum;
  workgroupBarrier();
  for (var half = hidden(LANES_X / 2u); half > 0u; half /= 2u) {
    if (lane.x < half) { partial[index] += partial[index + half]; }
    workgroupBarrier();
  }
  if (BEST == 1u) {
    if (index > 0u) { return; }
    var best = Best(LOWEST, NONE);
    for (var c = 0u; c < min(across, uniforms.n - firstColumn); c++) {
      best = better(best, partial[c * LANES_X], firstColumn + c);
    }
    y[yStart + 2u * id] = best.peak;
    y[yStart + 2u * id + 1u] = f32(uniforms.biasOffset + best.place); // Whole numbers below 2^24 are exact as floats.
    return;
  }
  let j = firstColumn + index;
  if (index >= across || j >= uniforms.n) { return; }
  if (isGated) {
    y[yStart + j] = activate(partial[index * LANES_X], uniforms.activation) * partial[(index + across) * LANES_X];
  } else {
    finish(partial[index * LANES_X], yStart, 0u, j);
  }
}
