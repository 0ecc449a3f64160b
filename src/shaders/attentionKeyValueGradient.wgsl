// dvalue[b, j, g, :] = sum of p * dy[b, i, h, :] and dkey[b, j, g, :] = scale * sum of ds * query[b, i, h, :], over the
// queries i and the heads h of key-value head g, where p = exp(score - statistics.x) and ds = p * (dp - statistics.y) * bend,
// dp = dy[b, i, h, :] . value[b, j, g, :], and bend is the soft cap's slope.
// For any device: one workgroup computes one key, its lanes share the rows (a row is a query and one of the heads of the
// group). For the results it is `spread` columns (a power of two; those of dkey, then those of dvalue) times
// WORKGROUP / spread parts of the rows, whose sums are added at the end.
// Grid: a workgroup for each batch row, key, key-value head and WORKGROUP columns.
// Reference: src/ops/attentionGradientReference.ts.

override WORKGROUP: u32 = 64;     // A power of two.
override CAUSAL: bool = false;    // Query i attends to keys up to i.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).

struct Uniforms {
  workgroups: u32, tiles: u32, chunks: u32, spread: u32,
  firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryRow: u32, queryHead: u32, queryDim: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32, keyDim: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32, valueColumn: u32,
  dyOffset: u32, dyBatch: u32, dyRow: u32, dyHead: u32, dyColumn: u32,
  statisticsOffset: u32, keyOutput: u32, valueOutput: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<f32>;        // [batch, queries, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> key: array<f32>;          // [batch, keys, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> value: array<f32>;        // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> dy: array<f32>;           // [batch, queries, kvHeads * group, valueDim], strided
@group(0) @binding(5) var<storage, read> statistics: array<vec2f>; // [batch, queries, kvHeads * group]
@group(0) @binding(6) var<storage, read> keyMask: array<u32>;      // [batch, keys]
@group(0) @binding(7) var<storage, read_write> dkey: array<f32>;   // [batch, keys, kvHeads, dim]
@group(0) @binding(8) var<storage, read_write> dvalue: array<f32>; // [batch, keys, kvHeads, valueDim]

var<workgroup> weights: array<f32, WORKGROUP>;
var<workgroup> changes: array<f32, WORKGROUP>;
var<workgroup> partial: array<f32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.workgroups == 0xffffffffu); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let j = index % uniforms.tiles;
  let chunk = index / uniforms.tiles % uniforms.chunks;
  let pair = index / (uniforms.tiles * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;
  let group = uniforms.group;
  let stride = uniforms.kvHeads * group;

  let keyAt = uniforms.keyOffset + batch * uniforms.keyBatch + j * uniforms.keyRow + kvHead * uniforms.keyHead;
  let valueAt = uniforms.valueOffset + batch * uniforms.valueBatch + j * uniforms.valueRow + kvHead * uniforms.valueHead;
  let queryBase = uniforms.queryOffset + batch * uniforms.queryBatch + kvHead * group * uniforms.queryHead;
  let dyBase = uniforms.dyOffset + batch * uniforms.dyBatch + kvHead * group * uniforms.dyHead;
  let statisticsBase = uniforms.statisticsOffset + batch * uniforms.queries * stride + kvHead * group;
  var allowed = true;
  if (KEY_MASK) { allowed = keyMask[(uniforms.firstBatch + batch) * uniforms.keys + j] != 0u; }

  // This lane's column and its part of the rows.
  let column = chunk * WORKGROUP + lane % uniforms.spread;
  let part = lane / uniforms.spread;
  let parts = WORKGROUP / uniforms.spread;
  let isKey = column < uniforms.dim;
  let keyColumn = queryBase + min(column, uniforms.dim - 1u) * uniforms.queryDim;
  let valueColumn = select(column - uniforms.dim, 0u, isKey);
  let valueColumnAt = dyBase + min(valueColumn, uniforms.valueDim - 1u) * uniforms.dyColumn;

  // Rows that attend to the key.
  var first = 0u;
  var end = uniforms.queries * group;
  if (CAUSAL) { first = j * group; }
  if (WINDOW) { end = min(end, (j + u32(uniforms.window)) * group); }

  var result = 0.0;
  for (var tileStart = first; tileStart < end; tileStart += WORKGROUP) {
    let row = tileStart + lane;
    var p = 0.0;
    var ds = 0.0;
    if (allowed && row < end) {
      let q = queryBase + row / group * uniforms.queryRow + row % group * uniforms.queryHead;
      var score = 0.0;
      for (var d = 0u; d < uniforms.dim; d++) {
        score += query[q + d * uniforms.queryDim] * key[keyAt + d * uniforms.keyDim];
      }
      let z = dyBase + row / group * uniforms.dyRow + row % group * uniforms.dyHead;
      var change = 0.0;
      for (var d = 0u; d < uniforms.valueDim; d++) {
        change += dy[z + d * uniforms.dyColumn] * value[valueAt + d * uniforms.valueColumn];
      }
      score *= uniforms.scale;
      var bend = 1.0;
      if (SOFT_CAP) {
        let t = tanh(score / uniforms.softCap);
        score = uniforms.softCap * t;
        bend = 1.0 - t * t;
      }
      let known = statistics[statisticsBase + row / group * stride + row % group];
      p = exp(score - known.x);
      ds = p * (change - known.y) * bend;
    }
    workgroupBarrier();
    weights[lane] = p;
    changes[lane] = ds;
    workgroupBarrier();
    let found = min(WORKGROUP, end - tileStart);
    for (var n = part; n < found; n += parts) {
      let at = tileStart + n;
      if (isKey) {
        result += changes[n] * query[keyColumn + at / group * uniforms.queryRow + at % group * uniforms.queryHead];
      } else {
        result += weights[n] * dy[valueColumnAt + at / group * uniforms.dyRow + at % group * uniforms.dyHead];
      }
    }
  }

  partial[lane] = result;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half >= uniforms.spread; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  if (part != 0u) { return; }
  let own = (batch * uniforms.keys + j) * uniforms.kvHeads + kvHead;
  if (isKey) {
    dkey[uniforms.keyOutput + own * uniforms.dim + column] = partial[lane] * uniforms.scale;
  } else if (valueColumn < uniforms.valueDim) {
    dvalue[uniforms.valueOutput + own * uniforms.valueDim + valueColumn] = partial[lane];
  }
}
