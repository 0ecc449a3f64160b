// y[z, i, j] = activate(sum_l a[z, i, l] * b[z, l, j] + bias[j]) + residual[z, i, j]; any strides, any sizes.
// A workgroup computes a tile of y in workgroup memory, sixteen terms of the sum at a time; an invocation computes 4 x 4
// or 8 x 4 elements of it. Grid: a workgroup for each matrix of the batch, tile of columns and tile of rows, rows fastest.
// Reference: src/ops/matmul.ts.

override FORMAT: u32 = 0;     // Of b: 0 float32, 1 float16, 2 bfloat16; halves are two to a word.
override LANES_X: u32 = 16;   // Invocations along columns; the tile has 4 * LANES_X columns.
override LANES_Y: u32 = 16;   // Invocations along rows; the tile has 4 * LANES_Y * BLOCKS rows.
override BLOCKS: u32 = 1;     // Blocks of 4 rows that an invocation computes: 1 or 2.
const DEPTH = 16u;            // Terms that a tile holds.

struct Uniforms {
  workgroups: u32, rowTiles: u32, columnTiles: u32, m: u32, k: u32, n: u32, inner: u32,
  aOffset: u32, aOuter: u32, aInner: u32, aRow: u32, aColumn: u32,
  bOffset: u32, bOuter: u32, bInner: u32, bRow: u32, bColumn: u32,
  yOffset: u32, yOuter: u32, yInner: u32, yRow: u32,
  continues: u32, hasBias: u32, biasFormat: u32, biasOffset: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [batch, m, k], strided
@group(0) @binding(2) var<storage, read> b: array<u32>;        // [batch, k, n], strided
@group(0) @binding(3) var<storage, read> bias: array<u32>;     // [n]
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [batch, m, n]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [batch, m, n]

var<workgroup> aTile: array<vec4f, DEPTH * LANES_Y * BLOCKS>; // [DEPTH][rows / 4], four rows to a vector
var<workgroup> bTile: array<vec4f, DEPTH * LANES_X>;          // [DEPTH][columns / 4], four columns to a vector

fn widen(word: u32, high: bool, format: u32) -> f32 {
  if (format == 0u) { return bitcast<f32>(word); }
  if (format == 1u) { return select(unpack2x16float(word).x, unpack2x16float(word).y, high); }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, high));
}

fn aAt(start: u32, i: u32, l: u32) -> f32 {
  if (i >= uniforms.m || l >= uniforms.k) { return 0.0; }
  return a[start + i * uniforms.aRow + l * uniforms.aColumn];
}

fn bAt(start: u32, l: u32, j: u32) -> f32 {
  if (l >= uniforms.k || j >= uniforms.n) { return 0.0; }
  let at = start + l * uniforms.bRow + j * uniforms.bColumn;
  return widen(b[select(at / 2u, at, FORMAT == 0u)], at % 2u == 1u, FORMAT);
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

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let tileRows = LANES_Y * BLOCKS;
  let threads = LANES_X * LANES_Y;
  let firstRow = id % uniforms.rowTiles * tileRows * 4u;
  let firstColumn = id / uniforms.rowTiles % uniforms.columnTiles * LANES_X * 4u;
  let z = id / uniforms.rowTiles / uniforms.columnTiles;
  let outer = z / uniforms.inner;
  let inner = z % uniforms.inner;
  let aStart = uniforms.aOffset + outer * uniforms.aOuter + inner * uniforms.aInner;
  let bStart = uniforms.bOffset + outer * uniforms.bOuter + inner * uniforms.bInner;
  let yStart = uniforms.yOffset + outer * uniforms.yOuter + inner * uniforms.yInner;

  var sums: array<vec4f, 8>;
  for (var first = 0u; first < uniforms.k; first += DEPTH) {
    // Neighbours load what lies side by side: along l where rows of a lie so, or columns of b; else along i, or j.
    for (var e = index; e < DEPTH * tileRows; e += threads) {
      let rowsSide = uniforms.aColumn != 1u;
      let l = select(e % DEPTH, e / tileRows, rowsSide);
      let block = select(e / DEPTH, e % tileRows, rowsSide);
      let i = firstRow + block * 4u;
      aTile[l * tileRows + block] = vec4f(aAt(aStart, i, first + l), aAt(aStart, i + 1u, first + l),
                                          aAt(aStart, i + 2u, first + l), aAt(aStart, i + 3u, first + l));
    }
    for (var e = index; e < DEPTH * LANES_X; e += threads) {
      let columnsSide = uniforms.bRow != 1u;
      let l = select(e % DEPTH, e / LANES_X, columnsSide);
      let block = select(e / DEPTH, e % LANES_X, columnsSide);
      let j = firstColumn + block * 4u;
      bTile[l * LANES_X + block] = vec4f(bAt(bStart, first + l, j), bAt(bStart, first + l, j + 1u),
                                         bAt(bStart, first + l, j + 2u), bAt(bStart, first + l, j + 3u));
    }
    workgroupBarrier();
    for (var l = 0u; l < DEPTH; l++) {
      let columns = bTile[l * LANES_X + lane.x];
      let low = aTile[l * tileRows + lane.y];
      sums[0] += low.x * columns;
      sums[1] += low.y * columns;
      sums[2] += low.z * columns;
      sums[3] += low.w * columns;
      if (BLOCKS == 2u) {
        let high = aTile[l * tileRows + LANES_Y + lane.y];
        sums[4] += high.x * columns;
        sums[5] += high.y * columns;
        sums[6] += high.z * columns;
        sums[7] += high.w * columns;
      }
    }
    workgroupBarrier();
  }

  for (var r = 0u; r < 4u * BLOCKS; r++) {
    let i = firstRow + (r / 4u * LANES_Y + lane.y) * 4u + r % 4u;
    for (var c = 0u; c < 4u; c++) {
      let j = firstColumn + lane.x * 4u + c;
      if (i < uniforms.m && j < uniforms.n) {
        let at = yStart + i * uniforms.yRow + j;
        var value = sums[r][c];
        if (uniforms.continues != 0u) { value += y[at]; }
        if (uniforms.hasBias != 0u) { value += biasAt(j); }
        value = activate(value, uniforms.activation);
        if (uniforms.joins != 0u) {
          let other = residual[at];
          value = select(value + other, value * other, uniforms.joins == 2u);
        }
        y[at] = value;
      }
    }
  }
}
