// y[b, i, h, :] = sum_j softmax_j(scale * query[b, i, h, :] . key[b, j, h / group, :]) * value[b, j, h / group, :]
// For adapters that run subgroups on a CPU, where a key-value head has a single row (one query, no grouping) or subgroups are
// small: one subgroup is a workgroup and computes one row. No barriers, no shared memory.
// Scores: each lane has 4 keys, and the lanes share the query's elements. Sums of values: each lane has 2 vectors of 4 columns.
// Sizes and strides of query, key, value and y count vectors of 4 elements.
// Grid: a workgroup for each batch row, query, head and 2 * SUBGROUP vectors of columns. Reference: src/ops/attentionReference.ts.

enable subgroups;

override SUBGROUP: u32 = 8;       // Lanes; a multiple of 4.
override CAUSAL: bool = false;    // Query i attends to keys up to position + i.
override POSITION: bool = false;  // Whether there is a position; otherwise it is 0.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SLOPES: bool = false;    // slopesScale * slopes[h] * (place of the key) is added to scores.
override PLACES: bool = false;    // The place of a key is keyPositions[b, j]; otherwise j.
override ROUNDED: bool = false;   // Places, and products of slopes and places, are rounded to bfloat16.
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).
override KEY_ROWS: bool = false;  // Key j is in row keyMask[b, j] of key and value; there is no mask then.
const MASKED = -1e30;

struct Uniforms {
  workgroups: u32, tiles: u32, chunks: u32, lanes: u32,
  firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, slopesScale: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryRow: u32, queryHead: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32,
  outputOffset: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;      // [batch, queries, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> key: array<vec4f>;        // [batch, keys, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> value: array<vec4f>;      // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> position: array<i32>;     // []
@group(0) @binding(5) var<storage, read> keyMask: array<u32>;      // [batch, keys], or the keys' rows
@group(0) @binding(6) var<storage, read> slopes: array<f32>;       // [kvHeads * group]
@group(0) @binding(7) var<storage, read> keyPositions: array<f32>; // [batch, keys]
@group(0) @binding(8) var<storage, read_write> y: array<vec4f>;    // [batch, queries, kvHeads * group, valueDim]

fn pick(v: vec4f, i: u32) -> f32 {
  return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i >= 2u);
}

fn pickRow(v: vec4u, i: u32) -> u32 {
  return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i >= 2u);
}

// To nearest, ties to even.
fn bfloat16(x: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(x);
  return bitcast<vec4f>((bits + 0x7fffu + ((bits >> vec4u(16u)) & vec4u(1u))) & vec4u(0xffff0000u));
}

// What ALiBi adds to scores, but for its scale; slopes come as they are to be.
fn bias(slope: vec4f, place: vec4f) -> vec4f {
  if (!ROUNDED) { return slope * place; }
  return bfloat16(slope * bfloat16(place));
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let lanes = uniforms.lanes;
  let row = index % uniforms.tiles; // Query and head of the group.
  let chunk = index / uniforms.tiles % uniforms.chunks;
  let pair = index / (uniforms.tiles * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;
  let i = row / uniforms.group;
  let head = kvHead * uniforms.group + row % uniforms.group;

  let queryAt = uniforms.queryOffset + batch * uniforms.queryBatch + i * uniforms.queryRow + head * uniforms.queryHead;
  var keyBase = uniforms.keyOffset + kvHead * uniforms.keyHead;
  var valueBase = uniforms.valueOffset + kvHead * uniforms.valueHead;
  if (!KEY_ROWS) {
    keyBase += batch * uniforms.keyBatch;
    valueBase += batch * uniforms.valueBatch;
  }
  let maskBase = (uniforms.firstBatch + batch) * uniforms.keys;
  // This lane's columns; past the end it computes the last ones again, and does not store them.
  let column = chunk * 2u * lanes + lane;
  let valueA = valueBase + min(column, uniforms.valueDim - 1u);
  let valueB = valueBase + min(column + lanes, uniforms.valueDim - 1u);
  var slope = 0.0;
  if (SLOPES) { slope = slopes[head]; }

  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) {
    var last = i;
    if (POSITION) { last += u32(max(position[0], 0)); }
    end = min(end, last + 1u);
    if (WINDOW) { first = u32(max(0, i32(last) + 1 - uniforms.window)); }
  }

  var peak = MASKED;
  var total = 0.0;
  var sumA = vec4f(); // Of this lane's first columns.
  var sumB = vec4f(); // Of its second.
  for (var tileStart = first; tileStart < end; tileStart += 4u * lanes) {
    let keys = tileStart + lane + lanes * vec4u(0u, 1u, 2u, 3u);
    let safe = min(keys, vec4u(end - 1u));
    var keyAt = keyBase + safe * uniforms.keyRow;
    var rows = vec4u();
    if (KEY_ROWS) {
      rows = vec4u(keyMask[maskBase + safe.x], keyMask[maskBase + safe.y], keyMask[maskBase + safe.z],
                   keyMask[maskBase + safe.w]);
      keyAt += rows * uniforms.keyBatch;
    }
    var scores = vec4f();
    for (var d = 0u; d < uniforms.dim; d += lanes) {
      let own = query[queryAt + min(d + lane, uniforms.dim - 1u)];
      let loaded = min(lanes, uniforms.dim - d);
      for (var e = 0u; e < loaded; e++) {
        scores += subgroupShuffle(own, e) * mat4x4f(key[keyAt.x], key[keyAt.y], key[keyAt.z], key[keyAt.w]);
        keyAt += 1u;
      }
    }

    scores *= uniforms.scale;
    if (SOFT_CAP) { scores = uniforms.softCap * tanh(scores / uniforms.softCap); }
    if (SLOPES) {
      var places = vec4f(safe);
      if (PLACES) {
        places = vec4f(keyPositions[maskBase + safe.x], keyPositions[maskBase + safe.y],
                       keyPositions[maskBase + safe.z], keyPositions[maskBase + safe.w]);
      }
      scores += uniforms.slopesScale * bias(vec4f(slope), places);
    }
    var seen = keys < vec4u(end);
    if (KEY_MASK) {
      seen &= vec4u(keyMask[maskBase + safe.x], keyMask[maskBase + safe.y], keyMask[maskBase + safe.z],
                    keyMask[maskBase + safe.w]) != vec4u();
    }
    scores = select(vec4f(MASKED), scores, seen);

    let next = max(peak, subgroupMax(max(max(scores.x, scores.y), max(scores.z, scores.w))));
    let kept = exp(peak - next);
    peak = next;
    let weights = select(vec4f(), exp(scores - peak), seen);
    total = total * kept + (weights.x + weights.y) + (weights.z + weights.w);
    sumA *= kept;
    sumB *= kept;
    let found = min(4u * lanes, end - tileStart);
    for (var done = 0u; done < found; done += lanes) {
      let own = pick(weights, done / lanes);
      let ownRow = pickRow(rows, done / lanes);
      let count = min(lanes, found - done);
      for (var j = 0u; j < count; j++) {
        var at = (tileStart + done + j) * uniforms.valueRow;
        if (KEY_ROWS) { at += subgroupShuffle(ownRow, j) * uniforms.valueBatch; }
        let weight = subgroupShuffle(own, j);
        sumA += weight * value[valueA + at];
        sumB += weight * value[valueB + at];
      }
    }
  }

  total = subgroupAdd(total);
  let inverse = select(0.0, 1.0 / total, total > 0.0);
  let at = uniforms.outputOffset
    + ((batch * uniforms.queries + i) * uniforms.kvHeads * uniforms.group + head) * uniforms.valueDim;
  if (column < uniforms.valueDim) { y[at + column] = sumA * inverse; }
  if (column + lanes < uniforms.valueDim) { y[at + column + lanes] = sumB * inverse; }
}
