// dvalue[b, j, g, :] = sum of p * dy[b, i, h, :] and dkey[b, j, g, :] = scale * sum of ds * query[b, i, h, :], over the
// queries i and the heads h of key-value head g, where p = exp(score - statistics.x) and ds = p * (dp - statistics.y) * bend,
// dp = dy[b, i, h, :] . value[b, j, g, :], and bend is the soft cap's slope.
// For adapters that run subgroups on a CPU, laid out as attentionPrefill with keys in place of queries: one subgroup is a
// workgroup and computes 8 keys of one key-value head. A row is a query and one of the heads of the group; lanes have 2 rows
// of the scores, and 2 vectors of 4 columns of each result. Sizes and strides count vectors of 4 elements.
// Grid: a workgroup for each batch row, key-value head, 2 * SUBGROUP vectors of columns and 8 keys.
// Reference: src/ops/attentionGradientReference.ts.

enable subgroups;

override SUBGROUP: u32 = 8;       // Lanes; a multiple of 8.
override CAUSAL: bool = false;    // Query i attends to keys up to i.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).

struct Uniforms {
  workgroups: u32, tiles: u32, chunks: u32, lanes: u32,
  firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryRow: u32, queryHead: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32,
  dyOffset: u32, dyBatch: u32, dyRow: u32, dyHead: u32,
  statisticsOffset: u32, keyOutput: u32, valueOutput: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;   // [batch, queries, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> key: array<vec4f>;     // [batch, keys, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> value: array<vec4f>;   // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;      // [batch, queries, kvHeads * group, valueDim], strided
@group(0) @binding(5) var<storage, read> statistics: array<vec2f>; // [batch, queries, kvHeads * group]
@group(0) @binding(6) var<storage, read> keyMask: array<u32>;      // [batch, keys]
@group(0) @binding(7) var<storage, read_write> dkey: array<vec4f>;   // [batch, keys, kvHeads, dim]
@group(0) @binding(8) var<storage, read_write> dvalue: array<vec4f>; // [batch, keys, kvHeads, valueDim]

fn pick(v: vec4f, i: u32) -> f32 {
  return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i >= 2u);
}

// Key r of 8, of 4 columns.
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

// 4 elements of each of 4 keys, of which lanes `start` to `start + 3` hold one each: a column for each element.
fn spreadRows(x: vec4f, start: u32) -> mat4x4f {
  return mat4x4f(spread(x.x, start), spread(x.y, start), spread(x.z, start), spread(x.w, start));
}

fn outer(rows: vec4f, columns: vec4f) -> mat4x4f {
  return mat4x4f(rows * columns.x, rows * columns.y, rows * columns.z, rows * columns.w);
}

struct Weights { p: vec4f, ds: vec4f }

// Weights of 4 keys in one row, and the changes of their scores.
fn weigh(dots: vec4f, change: vec4f, place: i32, known: vec2f, keys: vec4i, allowed: vec4<bool>) -> Weights {
  var scores = dots * uniforms.scale;
  var bend = vec4f(1.0);
  if (SOFT_CAP) {
    let t = tanh(scores / uniforms.softCap);
    scores = uniforms.softCap * t;
    bend = 1.0 - t * t;
  }
  var seen = allowed;
  if (CAUSAL) { seen &= keys <= vec4i(place); }
  if (WINDOW) { seen &= keys > vec4i(place - uniforms.window); }
  // A row without keys has statistics.x of 1e30, so that its weights are 0; those that are hidden may overflow.
  let p = select(vec4f(), exp(select(vec4f(), scores - known.x, seen)), seen);
  return Weights(p, p * (change - known.y) * bend);
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
  let group = uniforms.group;

  let firstKey = tile * 8u;
  let lowKeys = vec4i(vec4u(firstKey) + vec4u(0u, 1u, 2u, 3u));
  let highKeys = lowKeys + 4;
  // Lane l loads key l % 8; those past the end are the last one again, and not stored.
  let ownKey = min(firstKey + lane % 8u, uniforms.keys - 1u);
  let keyAt = uniforms.keyOffset + batch * uniforms.keyBatch + ownKey * uniforms.keyRow + kvHead * uniforms.keyHead;
  let valueAt = uniforms.valueOffset + batch * uniforms.valueBatch + ownKey * uniforms.valueRow
    + kvHead * uniforms.valueHead;
  var lowAllowed = vec4<bool>(true);
  var highAllowed = vec4<bool>(true);
  if (KEY_MASK) {
    let own = f32(keyMask[(uniforms.firstBatch + batch) * uniforms.keys + ownKey]);
    lowAllowed = spread(own, 0u) != vec4f();
    highAllowed = spread(own, 4u) != vec4f();
  }

  let firstHead = kvHead * group;
  let queryBase = uniforms.queryOffset + batch * uniforms.queryBatch + firstHead * uniforms.queryHead;
  let dyBase = uniforms.dyOffset + batch * uniforms.dyBatch + firstHead * uniforms.dyHead;
  let statisticsBase = uniforms.statisticsOffset + batch * uniforms.queries * uniforms.kvHeads * group + firstHead;
  let column = chunk * 2u * lanes + lane;
  let keyA = queryBase + min(column, uniforms.dim - 1u);
  let keyB = queryBase + min(column + lanes, uniforms.dim - 1u);
  let valueA = dyBase + min(column, uniforms.valueDim - 1u);
  let valueB = dyBase + min(column + lanes, uniforms.valueDim - 1u);

  // Rows that attend to any of the keys.
  var first = 0u;
  var end = uniforms.queries * group;
  if (CAUSAL) { first = firstKey * group; }
  if (WINDOW) { end = min(end, (min(firstKey + 7u, uniforms.keys - 1u) + u32(uniforms.window)) * group); }

  var lowKeyA = mat4x4f(); // Keys 0 to 3 of this lane's first columns; B: of its second.
  var lowKeyB = mat4x4f();
  var highKeyA = mat4x4f();
  var highKeyB = mat4x4f();
  var lowValueA = mat4x4f();
  var lowValueB = mat4x4f();
  var highValueA = mat4x4f();
  var highValueB = mat4x4f();

  for (var tileStart = first; tileStart < end; tileStart += 2u * lanes) {
    let rows = tileStart + lane + lanes * vec2u(0u, 1u);
    let safe = min(rows, vec2u(end - 1u));
    let places = safe / group;
    let heads = safe % group;
    let queryAt = queryBase + places * uniforms.queryRow + heads * uniforms.queryHead;
    let dyAt = dyBase + places * uniforms.dyRow + heads * uniforms.dyHead;
    var low = mat2x4f(); // Scores of keys 0 to 3 against this lane's 2 rows.
    var high = mat2x4f();
    for (var d = 0u; d < uniforms.dim; d++) {
      let q = mat2x4f(query[queryAt.x + d], query[queryAt.y + d]);
      let own = key[keyAt + d];
      low += spreadRows(own, 0u) * q;
      high += spreadRows(own, 4u) * q;
    }
    var lowChange = mat2x4f(); // dp, of the same keys and rows.
    var highChange = mat2x4f();
    for (var d = 0u; d < uniforms.valueDim; d++) {
      let z = mat2x4f(dy[dyAt.x + d], dy[dyAt.y + d]);
      let own = value[valueAt + d];
      lowChange += spreadRows(own, 0u) * z;
      highChange += spreadRows(own, 4u) * z;
    }

    let stride = uniforms.kvHeads * group;
    let knownX = statistics[statisticsBase + places.x * stride + heads.x];
    let knownY = statistics[statisticsBase + places.y * stride + heads.y];
    let lowX = weigh(low[0], lowChange[0], i32(places.x), knownX, lowKeys, lowAllowed & vec4<bool>(rows.x < end));
    let lowY = weigh(low[1], lowChange[1], i32(places.y), knownY, lowKeys, lowAllowed & vec4<bool>(rows.y < end));
    let highX = weigh(high[0], highChange[0], i32(places.x), knownX, highKeys, highAllowed & vec4<bool>(rows.x < end));
    let highY = weigh(high[1], highChange[1], i32(places.y), knownY, highKeys, highAllowed & vec4<bool>(rows.y < end));

    let found = min(2u * lanes, end - tileStart);
    for (var done = 0u; done < found; done += lanes) {
      let isFirst = done == 0u;
      let lowP = select(lowY.p, lowX.p, isFirst);
      let highP = select(highY.p, highX.p, isFirst);
      let lowDs = select(lowY.ds, lowX.ds, isFirst);
      let highDs = select(highY.ds, highX.ds, isFirst);
      let count = min(lanes, found - done);
      for (var j = 0u; j < count; j++) {
        let row = tileStart + done + j;
        let dyStep = row / group * uniforms.dyRow + row % group * uniforms.dyHead;
        let lowWeights = subgroupShuffle(lowP, j);
        let highWeights = subgroupShuffle(highP, j);
        let a = dy[valueA + dyStep];
        lowValueA += outer(lowWeights, a);
        highValueA += outer(highWeights, a);
        let b = dy[valueB + dyStep];
        lowValueB += outer(lowWeights, b);
        highValueB += outer(highWeights, b);
      }
      for (var j = 0u; j < count; j++) {
        let row = tileStart + done + j;
        let queryStep = row / group * uniforms.queryRow + row % group * uniforms.queryHead;
        let lowChanges = subgroupShuffle(lowDs, j);
        let highChanges = subgroupShuffle(highDs, j);
        let a = query[keyA + queryStep];
        lowKeyA += outer(lowChanges, a);
        highKeyA += outer(highChanges, a);
        let b = query[keyB + queryStep];
        lowKeyB += outer(lowChanges, b);
        highKeyB += outer(highChanges, b);
      }
    }
  }

  let count = min(8u, uniforms.keys - firstKey);
  for (var r = 0u; r < count; r++) {
    let row = (batch * uniforms.keys + firstKey + r) * uniforms.kvHeads + kvHead;
    let keyStart = uniforms.keyOutput + row * uniforms.dim;
    if (column < uniforms.dim) { dkey[keyStart + column] = rowOf(lowKeyA, highKeyA, r) * uniforms.scale; }
    if (column + lanes < uniforms.dim) {
      dkey[keyStart + column + lanes] = rowOf(lowKeyB, highKeyB, r) * uniforms.scale;
    }
    let valueStart = uniforms.valueOutput + row * uniforms.valueDim;
    if (column < uniforms.valueDim) { dvalue[valueStart + column] = rowOf(lowValueA, highValueA, r); }
    if (column + lanes < uniforms.valueDim) { dvalue[valueStart + column + lanes] = rowOf(lowValueB, highValueB, r); }
  }
}
