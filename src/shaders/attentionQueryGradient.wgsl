// dquery[b, i, h, :] = scale * sum_j ds[j] * key[b, j, h / group, :] with ds[j] = p[j] * (dp[j] - delta) * bend[j], where
// p = softmax_j(score), dp[j] = dy[b, i, h, :] . value[b, j, h / group, :], delta = y[b, i, h, :] . dy[b, i, h, :], and
// bend is the soft cap's slope. statistics[b, i, h] = (log(sum_j exp(score[j])), delta); 1e30 for the first without keys.
// For any device, laid out as attention: one workgroup computes one row, its lanes share the keys. For the result it is
// `spread` columns (a power of two) times WORKGROUP / spread parts of the keys, whose sums are added at the end.
// Grid: a workgroup for each batch row, query, head and WORKGROUP columns. Reference: src/ops/attentionGradientReference.ts.

override WORKGROUP: u32 = 64;     // A power of two.
override CAUSAL: bool = false;    // Query i attends to keys up to i.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).
const MASKED = -1e30;

struct Uniforms {
  workgroups: u32, tiles: u32, chunks: u32, spread: u32,
  firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryRow: u32, queryHead: u32, queryDim: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32, keyDim: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32, valueColumn: u32,
  dyOffset: u32, dyBatch: u32, dyRow: u32, dyHead: u32, dyColumn: u32,
  yOffset: u32, outputOffset: u32, statisticsOffset: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<f32>;     // [batch, queries, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> key: array<f32>;       // [batch, keys, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> value: array<f32>;     // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> y: array<f32>;         // [batch, queries, kvHeads * group, valueDim]
@group(0) @binding(5) var<storage, read> dy: array<f32>;        // The same shape, strided
@group(0) @binding(6) var<storage, read> keyMask: array<u32>;   // [batch, keys]
@group(0) @binding(7) var<storage, read_write> dquery: array<f32>;       // [batch, queries, kvHeads * group, dim]
@group(0) @binding(8) var<storage, read_write> statistics: array<vec2f>; // [batch, queries, kvHeads * group]

var<workgroup> changes: array<f32, WORKGROUP>;
var<workgroup> partial: array<f32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.workgroups == 0xffffffffu); }

fn total(x: f32, lane: u32) -> f32 {
  workgroupBarrier();
  partial[lane] = x;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&partial[0]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let row = index % uniforms.tiles; // Query and head of the group.
  let chunk = index / uniforms.tiles % uniforms.chunks;
  let pair = index / (uniforms.tiles * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;
  let i = row / uniforms.group;
  let head = kvHead * uniforms.group + row % uniforms.group;
  let ownIndex = (batch * uniforms.queries + i) * uniforms.kvHeads * uniforms.group + head;

  let queryAt = uniforms.queryOffset + batch * uniforms.queryBatch + i * uniforms.queryRow + head * uniforms.queryHead;
  let dyAt = uniforms.dyOffset + batch * uniforms.dyBatch + i * uniforms.dyRow + head * uniforms.dyHead;
  let yAt = uniforms.yOffset + ownIndex * uniforms.valueDim;
  let keyBase = uniforms.keyOffset + batch * uniforms.keyBatch + kvHead * uniforms.keyHead;
  let valueBase = uniforms.valueOffset + batch * uniforms.valueBatch + kvHead * uniforms.valueHead;
  let maskBase = (uniforms.firstBatch + batch) * uniforms.keys;
  // This lane's column and its part of the keys; past the end it computes the last column again, and does not store it.
  let column = chunk * WORKGROUP + lane % uniforms.spread;
  let part = lane / uniforms.spread;
  let parts = WORKGROUP / uniforms.spread;
  let columnAt = keyBase + min(column, uniforms.dim - 1u) * uniforms.keyDim;

  var own = 0.0;
  for (var d = lane; d < uniforms.valueDim; d += WORKGROUP) { own += y[yAt + d] * dy[dyAt + d * uniforms.dyColumn]; }
  let delta = total(own, lane);

  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) {
    end = min(end, i + 1u);
    if (WINDOW) { first = u32(max(0, i32(i) + 1 - uniforms.window)); }
  }

  var peak = MASKED;
  var sum = 0.0;    // Of the weights of this lane's keys.
  var result = 0.0; // Of this lane's column and part.
  for (var tileStart = first; tileStart < end; tileStart += WORKGROUP) {
    let j = tileStart + lane;
    var seen = j < end;
    if (KEY_MASK && seen) { seen = keyMask[maskBase + j] != 0u; }
    var score = MASKED;
    var change = 0.0;
    var bend = 1.0;
    if (seen) {
      score = 0.0;
      var k = keyBase + j * uniforms.keyRow;
      for (var d = 0u; d < uniforms.dim; d++) {
        score += query[queryAt + d * uniforms.queryDim] * key[k];
        k += uniforms.keyDim;
      }
      var v = valueBase + j * uniforms.valueRow;
      for (var d = 0u; d < uniforms.valueDim; d++) {
        change += dy[dyAt + d * uniforms.dyColumn] * value[v];
        v += uniforms.valueColumn;
      }
      score *= uniforms.scale;
      if (SOFT_CAP) {
        let t = tanh(score / uniforms.softCap);
        score = uniforms.softCap * t;
        bend = 1.0 - t * t;
      }
    }
    workgroupBarrier();
    partial[lane] = score;
    workgroupBarrier();
    for (var half = hidden(WORKGROUP / 2u); half > 0u; half /= 2u) {
      if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
      workgroupBarrier();
    }
    let next = max(peak, workgroupUniformLoad(&partial[0]));
    let kept = exp(peak - next);
    peak = next;
    let weight = select(0.0, exp(score - peak), seen);
    sum = sum * kept + weight;
    changes[lane] = weight * (change - delta) * bend;
    workgroupBarrier();
    result *= kept;
    let found = min(WORKGROUP, end - tileStart);
    for (var n = part; n < found; n += parts) { result += changes[n] * key[columnAt + (tileStart + n) * uniforms.keyRow]; }
  }

  let weights = total(sum, lane);
  workgroupBarrier();
  partial[lane] = result;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half >= uniforms.spread; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  if (part == 0u && column < uniforms.dim) {
    let factor = select(0.0, uniforms.scale / weights, weights > 0.0);
    dquery[uniforms.outputOffset + ownIndex * uniforms.dim + column] = partial[lane] * factor;
  }
  if (chunk == 0u && lane == 0u) {
    statistics[uniforms.statisticsOffset + ownIndex] = vec2f(select(1e30, peak + log(weights), weights > 0.0), delta);
  }
}
