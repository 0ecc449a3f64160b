// y[b, i, h, :] = sum_j softmax_j(scale * query[b, i, h, :] . key[b, j, h / group, :]) * value[b, j, h / group, :]
// For adapters that run subgroups on a CPU: one subgroup is a workgroup and computes 8 rows of one key-value head. A row is
// a query and one of the heads of the group, so that grouped heads share what is loaded. No barriers, no shared memory.
// Scores: each lane has 2 keys, and the first 8 lanes a row each. Sums of values: each lane has 2 vectors of 4 columns.
// Rows stand in the components of two vectors, `low` (rows 0 to 3) and `high` (rows 4 to 7), so that a matrix
// product is 4 rows by 4 elements by 2 keys. Sizes and strides of query, key, value and y count vectors of 4 elements.
// Grid: a workgroup for each batch row, key-value head, 2 * SUBGROUP vectors of columns and 8 rows.
// Reference: src/ops/attentionReference.ts.

enable subgroups;

override SUBGROUP: u32 = 8;       // Lanes; a multiple of 8.
override CAUSAL: bool = false;    // Query i attends to keys up to position + i.
override POSITION: bool = false;  // Whether there is a position; otherwise it is 0.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SLOPES: bool = false;    // slopesScale * slopes[h] * (place of the key) is added to scores.
override PLACES: bool = false;    // The place of a key is keyPositions[b, j]; otherwise j.
override ROUNDED: bool = false;   // Places, and products of slopes and places, are rounded to bfloat16.
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).
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
@group(0) @binding(5) var<storage, read> keyMask: array<u32>;      // [batch, keys]
@group(0) @binding(6) var<storage, read> slopes: array<f32>;       // [kvHeads * group]
@group(0) @binding(7) var<storage, read> keyPositions: array<f32>; // [batch, keys]
@group(0) @binding(8) var<storage, read_write> y: array<vec4f>;    // [batch, queries, kvHeads * group, valueDim]

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

// The scores of one key in 4 rows, with bias and masks.
fn finished(dots: vec4f, slope: vec4f, key: u32, place: f32, allowed: bool, last: vec4i) -> vec4f {
  var scores = dots * uniforms.scale;
  if (SOFT_CAP) { scores = uniforms.softCap * tanh(scores / uniforms.softCap); }
  if (SLOPES) { scores += uniforms.slopesScale * bias(slope, vec4f(place)); }
  var seen = vec4<bool>(allowed);
  if (CAUSAL) { seen &= vec4i(i32(key)) <= last; }
  if (WINDOW) { seen &= vec4i(i32(key)) > last - uniforms.window; }
  return select(vec4f(MASKED), scores, seen);
}

fn weights(scores: vec4f, peak: vec4f) -> vec4f {
  return select(vec4f(), exp(scores - peak), scores > vec4f(0.5 * MASKED));
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

  let rows = uniforms.queries * uniforms.group;
  let firstRow = tile * 8u;
  let lowRows = min(firstRow + vec4u(0u, 1u, 2u, 3u), vec4u(rows - 1u));
  let highRows = min(firstRow + vec4u(4u, 5u, 6u, 7u), vec4u(rows - 1u));
  var start = 0u;
  if (POSITION) { start = u32(max(position[0], 0)); }
  let lowLast = vec4i(start + lowRows / uniforms.group);
  let highLast = vec4i(start + highRows / uniforms.group);
  // Lane l loads row l % 8.
  let ownRow = min(firstRow + lane % 8u, rows - 1u);
  let ownHead = kvHead * uniforms.group + ownRow % uniforms.group;
  let queryAt = uniforms.queryOffset + batch * uniforms.queryBatch + ownRow / uniforms.group * uniforms.queryRow
    + ownHead * uniforms.queryHead;
  var lowSlope = vec4f();
  var highSlope = vec4f();
  if (SLOPES) {
    lowSlope = spread(slopes[ownHead], 0u);
    highSlope = spread(slopes[ownHead], 4u);
  }

  let keyBase = uniforms.keyOffset + batch * uniforms.keyBatch + kvHead * uniforms.keyHead;
  let valueBase = uniforms.valueOffset + batch * uniforms.valueBatch + kvHead * uniforms.valueHead;
  let maskBase = (uniforms.firstBatch + batch) * uniforms.keys;
  // This lane's columns; past the end it computes the last ones again, and does not store them.
  let column = chunk * 2u * lanes + lane;
  let valueA = valueBase + min(column, uniforms.valueDim - 1u);
  let valueB = valueBase + min(column + lanes, uniforms.valueDim - 1u);

  // Keys that any of the rows attends to.
  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) { end = min(end, start + min(firstRow + 7u, rows - 1u) / uniforms.group + 1u); }
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

    var allowed = keys < vec2u(end);
    if (KEY_MASK) { allowed &= vec2u(keyMask[maskBase + safe.x], keyMask[maskBase + safe.y]) != vec2u(); }
    var places = vec2f(safe);
    if (PLACES) { places = vec2f(keyPositions[maskBase + safe.x], keyPositions[maskBase + safe.y]); }
    low = mat2x4f(finished(low[0], lowSlope, keys.x, places.x, allowed.x, lowLast),
                  finished(low[1], lowSlope, keys.y, places.y, allowed.y, lowLast));
    high = mat2x4f(finished(high[0], highSlope, keys.x, places.x, allowed.x, highLast),
                   finished(high[1], highSlope, keys.y, places.y, allowed.y, highLast));

    let lowNext = max(lowPeak, subgroupMax(max(low[0], low[1])));
    let highNext = max(highPeak, subgroupMax(max(high[0], high[1])));
    let lowKept = exp(lowPeak - lowNext);
    let highKept = exp(highPeak - highNext);
    lowPeak = lowNext;
    highPeak = highNext;
    low = mat2x4f(weights(low[0], lowPeak), weights(low[1], lowPeak));
    high = mat2x4f(weights(high[0], highPeak), weights(high[1], highPeak));
    lowTotal = lowTotal * lowKept + (low[0] + low[1]);
    highTotal = highTotal * highKept + (high[0] + high[1]);
    lowA = scaled(lowA, lowKept);
    lowB = scaled(lowB, lowKept);
    highA = scaled(highA, highKept);
    highB = scaled(highB, highKept);

    let found = min(2u * lanes, end - tileStart);
    for (var done = 0u; done < found; done += lanes) {
      let lowWeights = select(low[0], low[1], done != 0u);
      let highWeights = select(high[0], high[1], done != 0u);
      let count = min(lanes, found - done);
      for (var j = 0u; j < count; j++) {
        let a = (tileStart + done + j) * uniforms.valueRow;
        let lowWeight = subgroupShuffle(lowWeights, j);
        let highWeight = subgroupShuffle(highWeights, j);
        let columnsA = value[valueA + a];
        lowA += outer(lowWeight, columnsA);
        highA += outer(highWeight, columnsA);
        let columnsB = value[valueB + a];
        lowB += outer(lowWeight, columnsB);
        highB += outer(highWeight, columnsB);
      }
    }
  }

  lowTotal = subgroupAdd(lowTotal);
  highTotal = subgroupAdd(highTotal);
  let lowScale = select(vec4f(), 1.0 / lowTotal, lowTotal > vec4f());
  let highScale = select(vec4f(), 1.0 / highTotal, highTotal > vec4f());
  lowA = scaled(lowA, lowScale);
  lowB = scaled(lowB, lowScale);
  highA = scaled(highA, highScale);
  highB = scaled(highB, highScale);
  // Both bounds are of uniforms, so that the loops stay loops: each store in the text costs a CPU's compiler time.
  let lastRow = min(firstRow + 8u, rows);
  for (var row = firstRow; row < lastRow; row++) {
    let at = uniforms.outputOffset + column
      + ((batch * uniforms.queries + row / uniforms.group) * uniforms.kvHeads * uniforms.group
         + kvHead * uniforms.group + row % uniforms.group) * uniforms.valueDim;
    for (var far = 0u; far < 2u * lanes; far += lanes) {
      if (column + far < uniforms.valueDim) {
        y[at + far] = select(rowOf(lowA, highA, row - firstRow), rowOf(lowB, highB, row - firstRow), far != 0u);
      }
    }
  }
}
