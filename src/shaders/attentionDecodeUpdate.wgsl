// key[b, last] = freshKey[b], value[b, last] = freshValue[b], and then what attentionDecode.wgsl computes, of one query a row:
// y[b, h, :] = sum_j softmax_j(scale * query[b, h, :] . key[b, j, h / group, :]) * value[b, j, h / group, :]
// The last key that is seen is the new one. All workgroups read it where it comes from, never in the cache: the sums begin with
// it. The workgroup of a key-value head's first query writes it there (a chunk of columns each, where there are several).
// Sizes and strides count vectors of 4 elements.
// Grid: a workgroup for each batch row, head and 2 * SUBGROUP vectors of columns. Reference: src/ops/attentionReference.ts.

enable subgroups;

override SUBGROUP: u32 = 8;       // Lanes; a multiple of 4.
override WINDOW: bool = false;    // Only the last `window` keys are seen.
override KEY_MASK: bool = false;
override SLOPES: bool = false;    // slopesScale * slopes[h] * (place of the key) is added to scores.
override PLACES: bool = false;    // The place of a key is keyPositions[b, j]; otherwise j.
override ROUNDED: bool = false;   // Places, and products of slopes and places, are rounded to bfloat16.
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).
override KEY_ROWS: bool = false;  // Key j is in row keyMask[b, j] of key and value; there is no mask then.
const MASKED = -1e30;

struct Uniforms {
  workgroups: u32, chunks: u32, lanes: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, slopesScale: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryHead: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32,
  freshKeyOffset: u32, freshKeyBatch: u32, freshKeyHead: u32,
  freshValueOffset: u32, freshValueBatch: u32, freshValueHead: u32,
  outputOffset: u32,
  each: u32, // Vectors of columns of a lane: two, which a compiler is not to know.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;       // [batch, 1, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> freshKey: array<vec4f>;    // [batch, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> freshValue: array<vec4f>;  // [batch, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> position: array<i32>;      // []: the query's place
@group(0) @binding(5) var<storage, read> keyMask: array<u32>;       // [batch, keys], or the keys' rows
@group(0) @binding(6) var<storage, read> slopes: array<f32>;        // [kvHeads * group]
@group(0) @binding(7) var<storage, read> keyPositions: array<f32>;  // [batch, keys]
@group(0) @binding(8) var<storage, read_write> key: array<vec4f>;   // [batch, keys, kvHeads, dim], strided
@group(0) @binding(9) var<storage, read_write> value: array<vec4f>; // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(10) var<storage, read_write> y: array<vec4f>;    // [batch, 1, kvHeads * group, valueDim]

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

// Scores of products: scaled, capped, and with what ALiBi adds; slopes come as they are to be.
fn scored(products: vec4f, slope: f32, places: vec4f) -> vec4f {
  var scores = products * uniforms.scale;
  if (SOFT_CAP) { scores = uniforms.softCap * tanh(scores / uniforms.softCap); }
  if (SLOPES) {
    if (ROUNDED) { scores += uniforms.slopesScale * bfloat16(slope * bfloat16(places)); }
    else { scores += uniforms.slopesScale * (slope * places); }
  }
  return scores;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let lanes = uniforms.lanes;
  let member = index % uniforms.group;
  let chunk = index / uniforms.group % uniforms.chunks;
  let pair = index / (uniforms.group * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;
  let head = kvHead * uniforms.group + member;

  let queryAt = uniforms.queryOffset + batch * uniforms.queryBatch + head * uniforms.queryHead;
  var keyBase = uniforms.keyOffset + kvHead * uniforms.keyHead;
  var valueBase = uniforms.valueOffset + kvHead * uniforms.valueHead;
  let maskBase = batch * uniforms.keys;
  // This lane's columns; past the end it computes the last ones again, and does not store them.
  let column = chunk * 2u * lanes + lane;
  let columnA = min(column, uniforms.valueDim - 1u);
  let columnB = min(column + lanes, uniforms.valueDim - 1u);
  var slope = 0.0;
  if (SLOPES) { slope = slopes[head]; }

  let place = u32(max(position[0], 0));
  let last = min(place, uniforms.keys - 1u); // The new key's; those before it are in the cache.
  var first = 0u;
  if (WINDOW) { first = u32(max(0, i32(place) + 1 - uniforms.window)); }

  let freshKeyAt = uniforms.freshKeyOffset + kvHead * uniforms.freshKeyHead;
  let freshValueAt = uniforms.freshValueOffset + kvHead * uniforms.freshValueHead;
  if (member == 0u) {
    let source = freshValueAt + batch * uniforms.freshValueBatch;
    let goal = valueBase + batch * uniforms.valueBatch + last * uniforms.valueRow;
    for (var c = 0u; c < uniforms.each; c++) {
      let d = column + c * lanes;
      if (d < uniforms.valueDim) { value[goal + d] = freshValue[source + d]; }
    }
  }

  var row = batch; // In which the new key is.
  if (KEY_ROWS) { row = keyMask[maskBase + last]; }
  var product = 0.0;
  let keyGoal = keyBase + batch * uniforms.keyBatch + last * uniforms.keyRow;
  for (var d = lane; d < uniforms.dim; d += lanes) {
    let own = freshKey[freshKeyAt + batch * uniforms.freshKeyBatch + d];
    if (member == 0u && chunk == 0u) { key[keyGoal + d] = own; }
    var seen = own;
    if (KEY_ROWS) { seen = freshKey[freshKeyAt + row * uniforms.freshKeyBatch + d]; }
    product += dot(query[queryAt + d], seen);
  }
  var lastPlace = f32(last);
  if (PLACES) { lastPlace = keyPositions[maskBase + last]; }
  let lastScore = scored(vec4f(subgroupAdd(product)), slope, vec4f(lastPlace)).x;
  var isSeen = first <= last;
  if (KEY_MASK) { isSeen = isSeen && keyMask[maskBase + last] != 0u; }

  var peak = select(MASKED, lastScore, isSeen);
  var total = select(0.0, 1.0, isSeen && lane == 0u);
  let freshRow = freshValueAt + row * uniforms.freshValueBatch;
  var sumA = vec4f(); // Of this lane's first columns.
  var sumB = vec4f(); // Of its second.
  for (var c = 0u; c < uniforms.each; c++) {
    sumA = sumB;
    sumB = select(vec4f(), freshValue[freshRow + select(columnB, columnA, c == 0u)], isSeen);
  }
  if (!KEY_ROWS) {
    keyBase += batch * uniforms.keyBatch;
    valueBase += batch * uniforms.valueBatch;
  }
  let valueA = valueBase + columnA;
  let valueB = valueBase + columnB;
  for (var tileStart = first; tileStart < last; tileStart += 4u * lanes) {
    let keys = tileStart + lane + lanes * vec4u(0u, 1u, 2u, 3u);
    let safe = min(keys, vec4u(last - 1u));
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

    var places = vec4f(safe);
    if (PLACES) {
      places = vec4f(keyPositions[maskBase + safe.x], keyPositions[maskBase + safe.y], keyPositions[maskBase + safe.z],
                     keyPositions[maskBase + safe.w]);
    }
    scores = scored(scores, slope, places);
    var seen = keys < vec4u(last);
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
    let found = min(4u * lanes, last - tileStart);
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
  let at = uniforms.outputOffset + (batch * uniforms.kvHeads * uniforms.group + head) * uniforms.valueDim;
  for (var c = 0u; c < uniforms.each; c++) {
    let d = column + c * lanes;
    if (d < uniforms.valueDim) { y[at + d] = select(sumA, sumB, c == 1u) * inverse; }
  }
}
