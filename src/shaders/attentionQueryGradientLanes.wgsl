// dquery[b, i, h, :] = scale * sum_j ds[j] * key[b, j, h / group, :] with ds[j] = p[j] * (dp[j] - delta) * bend[j], where
// p = softmax_j(score), dp[j] = dy[b, i, h, :] . value[b, j, h / group, :], delta = y[b, i, h, :] . dy[b, i, h, :], and
// bend is the soft cap's slope. statistics[b, i, h] = (log(sum_j exp(score[j])), delta); 1e30 for the first without keys.
// For adapters that run subgroups on a CPU, laid out as attentionPrefill: one subgroup is a workgroup and computes 8 rows of
// one key-value head. Lanes have 2 keys of the scores, and 2 vectors of 4 columns of the result. Sums are kept relative to
// the largest score so far. Sizes and strides count vectors of 4 elements.
// Grid: a workgroup for each batch row, key-value head, 2 * SUBGROUP vectors of columns and 8 rows.
// Reference: src/ops/attentionGradientReference.ts.

enable subgroups;

override SUBGROUP: u32 = 8;       // Lanes; a multiple of 8.
override CAUSAL: bool = false;    // Query i attends to keys up to i.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).
const MASKED = -1e30;

struct Uniforms {
  workgroups: u32, tiles: u32, chunks: u32, lanes: u32,
  firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryRow: u32, queryHead: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32,
  dyOffset: u32, dyBatch: u32, dyRow: u32, dyHead: u32,
  yOffset: u32, outputOffset: u32, statisticsOffset: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;   // [batch, queries, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> key: array<vec4f>;     // [batch, keys, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> value: array<vec4f>;   // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> y: array<vec4f>;       // [batch, queries, kvHeads * group, valueDim]
@group(0) @binding(5) var<storage, read> dy: array<vec4f>;      // The same shape, strided
@group(0) @binding(6) var<storage, read> keyMask: array<u32>;   // [batch, keys]
@group(0) @binding(7) var<storage, read_write> dquery: array<vec4f>;     // [batch, queries, kvHeads * group, dim]
@group(0) @binding(8) var<storage, read_write> statistics: array<vec2f>; // [batch, queries, kvHeads * group]

fn pick(v: vec4f, i: u32) -> f32 {
  return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i >= 2u);
}

// Row r of 8, of 4 columns.
fn rowOf(low: mat4x4f, high: mat4x4f, r: u32) -> vec4f {
  let i = r % 4u;
  return select(vec4f(pick(low[0], i), pick(low[1], i), pick(low[2], i), pick(low[3], i)),
                vec4f(pick(high[0], i), pick(high[1], i), pick(high[2], i), pick(high[3], i)), r >= 4u);
}

// What lanes `start` to `start + 3` of the subgroup hold.
fn spread(x: f32, start: u32) -> vec4f {
  return vec4f(subgroupShuffle(x, start), subgroupShuffle(x, start + 1u), subgroupShuffle(x, start + 2u),
               subgroupShuffle(x, start + 3u));
}

// 4 elements of each of 4 rows, of which lanes `start` to `start + 3` hold one each: a column for each element.
fn spreadRows(x: vec4f, start: u32) -> mat4x4f {
  return mat4x4f(spread(x.x, start), spread(x.y, start), spread(x.z, start), spread(x.w, start));
}

fn outer(rows: vec4f, columns: vec4f) -> mat4x4f {
  return mat4x4f(rows * columns.x, rows * columns.y, rows * columns.z, rows * columns.w);
}

fn scaled(m: mat4x4f, rows: vec4f) -> mat4x4f {
  return mat4x4f(m[0] * rows, m[1] * rows, m[2] * rows, m[3] * rows);
}

// The scores of one key in 4 rows, with masks.
fn finished(dots: vec4f, key: u32, allowed: bool, last: vec4i) -> vec4f {
  var scores = dots * uniforms.scale;
  if (SOFT_CAP) { scores = uniforms.softCap * tanh(scores / uniforms.softCap); }
  var seen = vec4<bool>(allowed);
  if (CAUSAL) { seen &= vec4i(i32(key)) <= last; }
  if (WINDOW) { seen &= vec4i(i32(key)) > last - uniforms.window; }
  return select(vec4f(MASKED), scores, seen);
}

fn weights(scores: vec4f, peak: vec4f) -> vec4f {
  return select(vec4f(), exp(scores - peak), scores > vec4f(0.5 * MASKED));
}

// What the soft cap lets through of a change of the score; a number for scores that are masked, too.
fn bend(scores: vec4f) -> vec4f {
  if (!SOFT_CAP) { return vec4f(1.0); }
  let t = max(scores / uniforms.softCap, vec4f(-1.0));
  return 1.0 - t * t;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let lanes = uniforms.lanes;
  let tile = index % uniforms.tiles;
  let chunk = index / uniforms.tiles % uniforms.chunks;
  let pair = index / (uniforms.tiles * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;
  let heads = uniforms.kvHeads * uniforms.group;

  let rows = uniforms.queries * uniforms.group;
  let firstRow = tile * 8u;
  let lowLast = vec4i(min(firstRow + vec4u(0u, 1u, 2u, 3u), vec4u(rows - 1u)) / uniforms.group);
  let highLast = vec4i(min(firstRow + vec4u(4u, 5u, 6u, 7u), vec4u(rows - 1u)) / uniforms.group);
  // Lane l loads row l % 8.
  let ownRow = min(firstRow + lane % 8u, rows - 1u);
  let ownHead = kvHead * uniforms.group + ownRow % uniforms.group;
  let ownQuery = ownRow / uniforms.group;
  let queryAt = uniforms.queryOffset + batch * uniforms.queryBatch + ownQuery * uniforms.queryRow
    + ownHead * uniforms.queryHead;
  let dyAt = uniforms.dyOffset + batch * uniforms.dyBatch + ownQuery * uniforms.dyRow + ownHead * uniforms.dyHead;
  let ownIndex = (batch * uniforms.queries + ownQuery) * heads + ownHead;
  let yAt = uniforms.yOffset + ownIndex * uniforms.valueDim;
  var delta = 0.0;
  for (var d = 0u; d < uniforms.valueDim; d++) { delta += dot(y[yAt + d], dy[dyAt + d]); }
  let lowDelta = spread(delta, 0u);
  let highDelta = spread(delta, 4u);

  let keyBase = uniforms.keyOffset + batch * uniforms.keyBatch + kvHead * uniforms.keyHead;
  let valueBase = uniforms.valueOffset + batch * uniforms.valueBatch + kvHead * uniforms.valueHead;
  let maskBase = (uniforms.firstBatch + batch) * uniforms.keys;
  // This lane's columns; past the end it computes the last ones again, and does not store them.
  let column = chunk * 2u * lanes + lane;
  let columnsA = keyBase + min(column, uniforms.dim - 1u);
  let columnsB = keyBase + min(column + lanes, uniforms.dim - 1u);

  // Keys that any of the rows attends to.
  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) { end = min(end, min(firstRow + 7u, rows - 1u) / uniforms.group + 1u); }
  if (WINDOW) { first = u32(max(0, lowLast.x + 1 - uniforms.window)); }

  var lowPeak = vec4f(MASKED);
  var highPeak = vec4f(MASKED);
  var lowTotal = vec4f();
  var highTotal = vec4f();
  var lowA = mat4x4f(); // Rows 0 to 3 of this lane's first columns; B: of its second.
  var lowB = mat4x4f();
  var highA = mat4x4f();
  var highB = mat4x4f();

  for (var tileStart = first; tileStart < end; tileStart += 2u * lanes) {
    let keys = tileStart + lane + lanes * vec2u(0u, 1u);
    let safe = min(keys, vec2u(end - 1u));
    let keyAt = keyBase + safe * uniforms.keyRow;
    var low = mat2x4f(); // Scores of rows 0 to 3 against this lane's 2 keys.
    var high = mat2x4f();
    for (var d = 0u; d < uniforms.dim; d++) {
      let k = mat2x4f(key[keyAt.x + d], key[keyAt.y + d]);
      let own = query[queryAt + d];
      low += spreadRows(own, 0u) * k;
      high += spreadRows(own, 4u) * k;
    }
    let valueAt = valueBase + safe * uniforms.valueRow;
    var lowChange = mat2x4f(); // dp, of the same rows and keys.
    var highChange = mat2x4f();
    for (var d = 0u; d < uniforms.valueDim; d++) {
      let v = mat2x4f(value[valueAt.x + d], value[valueAt.y + d]);
      let own = dy[dyAt + d];
      lowChange += spreadRows(own, 0u) * v;
      highChange += spreadRows(own, 4u) * v;
    }

    var allowed = keys < vec2u(end);
    if (KEY_MASK) { allowed &= vec2u(keyMask[maskBase + safe.x], keyMask[maskBase + safe.y]) != vec2u(); }
    low = mat2x4f(finished(low[0], keys.x, allowed.x, lowLast), finished(low[1], keys.y, allowed.y, lowLast));
    high = mat2x4f(finished(high[0], keys.x, allowed.x, highLast), finished(high[1], keys.y, allowed.y, highLast));

    let lowNext = max(lowPeak, subgroupMax(max(low[0], low[1])));
    let highNext = max(highPeak, subgroupMax(max(high[0], high[1])));
    let lowKept = exp(lowPeak - lowNext);
    let highKept = exp(highPeak - highNext);
    lowPeak = lowNext;
    highPeak = highNext;
    let lowWeights = mat2x4f(weights(low[0], lowPeak), weights(low[1], lowPeak));
    let highWeights = mat2x4f(weights(high[0], highPeak), weights(high[1], highPeak));
    lowTotal = lowTotal * lowKept + (lowWeights[0] + lowWeights[1]);
    highTotal = highTotal * highKept + (highWeights[0] + highWeights[1]);
    low = mat2x4f(lowWeights[0] * (lowChange[0] - lowDelta) * bend(low[0]),
                  lowWeights[1] * (lowChange[1] - lowDelta) * bend(low[1]));
    high = mat2x4f(highWeights[0] * (highChange[0] - highDelta) * bend(high[0]),
                   highWeights[1] * (highChange[1] - highDelta) * bend(high[1]));
    lowA = scaled(lowA, lowKept);
    lowB = scaled(lowB, lowKept);
    highA = scaled(highA, highKept);
    highB = scaled(highB, highKept);

    let found = min(2u * lanes, end - tileStart);
    for (var done = 0u; done < found; done += lanes) {
      let lowHere = select(low[0], low[1], done != 0u);
      let highHere = select(high[0], high[1], done != 0u);
      let count = min(lanes, found - done);
      for (var j = 0u; j < count; j++) {
        let at = (tileStart + done + j) * uniforms.keyRow;
        let lowChanges = subgroupShuffle(lowHere, j);
        let highChanges = subgroupShuffle(highHere, j);
        let a = key[columnsA + at];
        lowA += outer(lowChanges, a);
        highA += outer(highChanges, a);
        let b = key[columnsB + at];
        lowB += outer(lowChanges, b);
        highB += outer(highChanges, b);
      }
    }
  }

  lowTotal = subgroupAdd(lowTotal);
  highTotal = subgroupAdd(highTotal);
  let lowScale = select(vec4f(), uniforms.scale / lowTotal, lowTotal > vec4f());
  let highScale = select(vec4f(), uniforms.scale / highTotal, highTotal > vec4f());
  lowA = scaled(lowA, lowScale);
  lowB = scaled(lowB, lowScale);
  highA = scaled(highA, highScale);
  highB = scaled(highB, highScale);
  let count = min(8u, rows - firstRow);
  for (var r = 0u; r < count; r++) {
    let row = firstRow + r;
    let at = uniforms.outputOffset
      + ((batch * uniforms.queries + row / uniforms.group) * heads + kvHead * uniforms.group + row % uniforms.group)
        * uniforms.dim;
    if (column < uniforms.dim) { dquery[at + column] = rowOf(lowA, highA, r); }
    if (column + lanes < uniforms.dim) { dquery[at + column + lanes] = rowOf(lowB, highB, r); }
  }
  if (chunk == 0u && lane < count) {
    let total = select(pick(lowTotal, lane % 4u), pick(highTotal, lane % 4u), lane >= 4u);
    let peak = select(pick(lowPeak, lane % 4u), pick(highPeak, lane % 4u), lane >= 4u);
    statistics[uniforms.statisticsOffset + ownIndex] = vec2f(select(1e30, peak + log(total), total > 0.0), delta);
  }
}
