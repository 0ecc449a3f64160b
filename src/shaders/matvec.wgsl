// y[z, i, j] = activate(sum_l a[z, i, l] * b[z, l, j] + bias[j]) + residual[z, i, j]
// for a single row i, the columns of b side by side in fours. A workgroup computes LANES_X vectors of columns; the terms
// are spread over LANES_Y invocations, whose sums meet in workgroup memory.
// Gated, the second half of the vectors are of other columns of b, whose sums are factors: y = activate(a b) * (a c).
// Grid: a workgroup for each matrix of the batch and LANES_X vectors of columns, gated half as many.
// Reference: src/ops/matmul.ts.

override FORMAT: u32 = 0;   // Of b: 0 float32, 1 float16, 2 bfloat16; halves are two to a word, and lie in eights.
override LANES_X: u32 = 8;  // Invocations along columns, each with a vector of them: 4 in float32, 8 in halves.
override LANES_Y: u32 = 32; // Invocations along terms: a power of two.
override GATED: u32 = 0;    // 1: columns of b have columns of it for factors; there is neither bias nor residual then.

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
@group(0) @binding(1) var<storage, read> a: array<f32>;     // [batch, 1, k], strided
@group(0) @binding(2) var<storage, read> b: array<vec4u>;   // [batch, k, n], bRow a multiple of a vector
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

// Two columns of a word.
fn halves(word: u32) -> vec2f {
  if (FORMAT == 1u) { return unpack2x16float(word); }
  return vec2f(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

var<workgroup> partial: array<vec4f, 2 * LANES_X * LANES_Y>; // [2][LANES_Y][LANES_X]; the second half for halves.

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.workgroups == 0xffffffffu); }

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let width = select(8u, 4u, FORMAT == 0u);
  let isGated = GATED == 1u;
  let vectors = select(LANES_X, LANES_X / 2u, isGated);
  let firstColumn = id % uniforms.columnTiles * vectors * width;
  let z = id / uniforms.rowTiles / uniforms.columnTiles;
  let outer = z / uniforms.inner;
  let inner = z % uniforms.inner;
  let aStart = uniforms.aOffset + outer * uniforms.aOuter + inner * uniforms.aInner;
  let bStart = uniforms.bOffset + outer * uniforms.bOuter + inner * uniforms.bInner;
  let yStart = uniforms.yOffset + outer * uniforms.yOuter + inner * uniforms.yInner;

  // Columns that are not there are computed from the last ones, and not stored.
  let column = min(firstColumn + lane.x % vectors * width, uniforms.n - width);
  let bColumn = (bStart + column) / width + select(0u, uniforms.factor, lane.x >= vectors);
  let bStep = uniforms.bRow / width;

  var low = vec4f();
  var high = vec4f();
  var l = lane.y;
  while (l < uniforms.k) {
    // Four loads on their way at a time; terms that are not there are the last one times zero.
    let at = min(l + LANES_Y * vec4u(0u, 1u, 2u, 3u), vec4u(uniforms.k - 1u));
    let words = array(b[bColumn + at.x * bStep], b[bColumn + at.y * bStep], b[bColumn + at.z * bStep],
                      b[bColumn + at.w * bStep]);
    for (var t = 0u; t < 4u; t++) {
      let x = select(0.0, a[aStart + at[t] * uniforms.aColumn], l < uniforms.k);
      if (FORMAT == 0u) {
        low += x * bitcast<vec4f>(words[t]);
      } else {
        low += x * vec4f(halves(words[t].x), halves(words[t].y));
        high += x * vec4f(halves(words[t].z), halves(words[t].w));
      }
      l += LANES_Y;
    }
  }

  let lanes = LANES_X * LANES_Y;
  partial[index] = low;
  if (FORMAT != 0u) { partial[lanes + index] = high; }
  workgroupBarrier();
  for (var half = hidden(LANES_Y / 2u); half > 0u; half /= 2u) {
    if (lane.y < half) {
      partial[index] += partial[index + half * LANES_X];
      if (FORMAT != 0u) { partial[lanes + index] += partial[lanes + index + half * LANES_X]; }
    }
    workgroupBarrier();
  }

  for (var c = index; c < vectors * width; c += lanes) {
    let j = firstColumn + c;
    if (j >= uniforms.n) { continue; }
    let at = c / width + lanes * (c % width / 4u);
    if (isGated) {
      y[yStart + j] = activate(partial[at][c % 4u], uniforms.activation) * partial[at + vectors][c % 4u];
    } else {
      finish(partial[at][c % 4u], yStart, 0u, j);
    }
  }
}
