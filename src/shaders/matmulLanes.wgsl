// y[z, i, j] = activate(sum_l a[z, i, l] * b[z, l, j] + bias[j]) + residual[z, i, j], the columns of b side by side in fours.
// For adapters that run subgroups on a CPU, where a load costs as much as ten multiplications and a barrier more: one
// subgroup is a workgroup and computes ROWS x (8 * SUBGROUP) elements. For each l it loads every row's element of a once,
// a row to a lane, and every column's element of b once, eight columns to a lane; shuffles spread the former.
// Grid: a workgroup for each matrix of the batch, tile of rows and tile of columns, columns fastest. No barriers, no shared
// memory, few loads in the text, since each costs a CPU's compiler some 15 ms. Reference: src/ops/matmul.ts.

enable subgroups;

override FORMAT: u32 = 0;   // Of b: 0 float32, 1 float16, 2 bfloat16; halves are two to a word, and lie in eights.
override SUBGROUP: u32 = 8; // Lanes: 4 or more.
override ROWS: u32 = 16;    // 8 or 16, at most 4 * SUBGROUP.

struct Uniforms {
  workgroups: u32, rowTiles: u32, columnTiles: u32, m: u32, k: u32, n: u32, inner: u32,
  aOffset: u32, aOuter: u32, aInner: u32, aRow: u32, aColumn: u32,
  bOffset: u32, bOuter: u32, bInner: u32, bRow: u32, bColumn: u32,
  yOffset: u32, yOuter: u32, yInner: u32, yRow: u32,
  tileRows: u32, each: u32,
  continues: u32, hasBias: u32, biasFormat: u32, biasOffset: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;     // [batch, m, k], strided
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

var<private> sums: array<vec4f, 32>; // Row r has 2 r and 2 r + 1.

// Adds to row r, whose element of a is in lane r % SUBGROUP of component r / SUBGROUP.
fn addRow(r: u32, rows: vec4f, low: vec4f, high: vec4f) {
  let x = subgroupShuffle(rows[r / SUBGROUP], r % SUBGROUP);
  sums[2u * r] += x * low;
  sums[2u * r + 1u] += x * high;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so subgroups stay uniform.
  let firstRow = id / uniforms.columnTiles % uniforms.rowTiles * ROWS;
  let firstColumn = id % uniforms.columnTiles * 8u * SUBGROUP;
  let z = id / uniforms.rowTiles / uniforms.columnTiles;
  let outer = z / uniforms.inner;
  let inner = z % uniforms.inner;
  let aStart = uniforms.aOffset + outer * uniforms.aOuter + inner * uniforms.aInner;
  let bStart = uniforms.bOffset + outer * uniforms.bOuter + inner * uniforms.bInner;
  let yStart = uniforms.yOffset + outer * uniforms.yOuter + inner * uniforms.yInner;

  // Rows and columns that are not there are computed from the last ones, and not stored.
  let mine = firstRow + lane + SUBGROUP * vec4u(0u, 1u, 2u, 3u);
  var aAt = aStart + min(mine, vec4u(uniforms.m - 1u)) * uniforms.aRow;
  // float32: four columns here and four columns a subgroup's width further; halves: eight columns here.
  let width = select(8u, 4u, FORMAT == 0u);
  let column = firstColumn + lane * width;
  let bStep = uniforms.bRow / width;
  var bAt = (bStart + min(column, uniforms.n - width)) / width;
  var bAtHigh = (bStart + min(column + 4u * SUBGROUP, uniforms.n - 4u)) / 4u;

  for (var l = 0u; l < uniforms.k; l++) {
    var rows = vec4f(a[aAt.x]);
    if (ROWS > SUBGROUP) { rows.y = a[aAt.y]; }
    if (ROWS > 2u * SUBGROUP) {
      rows.z = a[aAt.z];
      rows.w = a[aAt.w];
    }
    aAt += uniforms.aColumn;
    let words = b[bAt];
    bAt += bStep;
    var low: vec4f;
    var high: vec4f;
    if (FORMAT == 0u) {
      low = bitcast<vec4f>(words);
      high = bitcast<vec4f>(b[bAtHigh]);
      bAtHigh += bStep;
    } else {
      low = vec4f(halves(words.x), halves(words.y));
      high = vec4f(halves(words.z), halves(words.w));
    }
    addRow(0u, rows, low, high);
    addRow(1u, rows, low, high);
    addRow(2u, rows, low, high);
    addRow(3u, rows, low, high);
    addRow(4u, rows, low, high);
    addRow(5u, rows, low, high);
    addRow(6u, rows, low, high);
    addRow(7u, rows, low, high);
    if (ROWS > 8u) {
      addRow(8u, rows, low, high);
      addRow(9u, rows, low, high);
      addRow(10u, rows, low, high);
      addRow(11u, rows, low, high);
      addRow(12u, rows, low, high);
      addRow(13u, rows, low, high);
      addRow(14u, rows, low, high);
      addRow(15u, rows, low, high);
    }
  }

  // Only this copy is indexed by a variable, so that compilers can tell the sums apart.
  var results = sums;
  for (var r = 0u; r < min(uniforms.tileRows, uniforms.m - firstRow); r++) {
    for (var c = 0u; c < uniforms.each; c++) {
      let j = column + c + select(0u, 4u * SUBGROUP - 4u, FORMAT == 0u && c >= 4u);
      if (j < uniforms.n) { finish(results[2u * r + c / 4u][c % 4u], yStart, firstRow + r, j); }
    }
  }
}
