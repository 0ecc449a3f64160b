// y[b, i, h, :] = sum_j softmax_j(scale * query[b, i, h, :] . key[b, j, h / group, :]) * value[b, j, h / group, :]
// For GPUs: a workgroup of 8 x 8 lanes computes 32 rows of one key-value head, through tiles in workgroup memory. A row is a
// query and one of the heads of the group. Each lane has 4 rows (the components of vectors), 4 keys of a tile of 32, and 8
// of 64 columns.
// Grid: a workgroup for each batch row, key-value head, 64 columns and 32 rows. Reference: src/ops/attentionReference.ts.

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
  workgroups: u32, tiles: u32, chunks: u32,
  firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, dim: u32, valueDim: u32,
  scale: f32, softCap: f32, slopesScale: f32, window: i32,
  queryOffset: u32, queryBatch: u32, queryRow: u32, queryHead: u32, queryDim: u32,
  keyOffset: u32, keyBatch: u32, keyRow: u32, keyHead: u32, keyDim: u32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32, valueColumn: u32,
  outputOffset: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> query: array<f32>;        // [batch, queries, kvHeads * group, dim], strided
@group(0) @binding(2) var<storage, read> key: array<f32>;          // [batch, keys, kvHeads, dim], strided
@group(0) @binding(3) var<storage, read> value: array<f32>;        // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(4) var<storage, read> position: array<i32>;     // []
@group(0) @binding(5) var<storage, read> keyMask: array<u32>;      // [batch, keys]
@group(0) @binding(6) var<storage, read> slopes: array<f32>;       // [kvHeads * group]
@group(0) @binding(7) var<storage, read> keyPositions: array<f32>; // [batch, keys]
@group(0) @binding(8) var<storage, read_write> y: array<f32>;      // [batch, queries, kvHeads * group, valueDim]

var<workgroup> queryTile: array<f32, 512>;   // [16 elements, 32 rows]
var<workgroup> keyTile: array<f32, 512>;     // [16 elements, 32 keys]
var<workgroup> weightTile: array<vec4f, 256>; // [32 keys, 32 rows]
var<workgroup> valueTile: array<f32, 1024>;  // [16 keys, 64 columns]
var<workgroup> partial: array<vec4f, 64>;    // [32 rows / 4, 8 lanes]

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
fn finished(dots: vec4f, slope: vec4f, j: u32, maskBase: u32, end: u32, last: vec4i) -> vec4f {
  var scores = dots * uniforms.scale;
  var seen = vec4<bool>(j < end);
  let safe = maskBase + min(j, end - 1u);
  if (SOFT_CAP) { scores = uniforms.softCap * tanh(scores / uniforms.softCap); }
  if (SLOPES) {
    var place = f32(j);
    if (PLACES) { place = keyPositions[safe]; }
    scores += uniforms.slopesScale * bias(slope, vec4f(place));
  }
  if (KEY_MASK) { seen &= vec4<bool>(keyMask[safe] != 0u); }
  if (CAUSAL) { seen &= vec4i(i32(j)) <= last; }
  if (WINDOW) { seen &= vec4i(i32(j)) > last - uniforms.window; }
  return select(vec4f(MASKED), scores, seen);
}

fn weightsOf(scores: vec4f, peak: vec4f) -> vec4f {
  return select(vec4f(), exp(scores - peak), scores > vec4f(0.5 * MASKED));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let tile = index % uniforms.tiles;
  let chunk = index / uniforms.tiles % uniforms.chunks;
  let pair = index / (uniforms.tiles * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;

  let rows = uniforms.queries * uniforms.group;
  let firstRow = tile * 32u;
  let ownRows = min(firstRow + 4u * local.y + vec4u(0u, 1u, 2u, 3u), vec4u(rows - 1u));
  var start = 0u;
  if (POSITION) { start = u32(max(position[0], 0)); }
  let last = vec4i(start + ownRows / uniforms.group);
  var slope = vec4f();
  if (SLOPES) {
    let heads = kvHead * uniforms.group + ownRows % uniforms.group;
    slope = vec4f(slopes[heads.x], slopes[heads.y], slopes[heads.z], slopes[heads.w]);
  }
  let queryBase = uniforms.queryOffset + batch * uniforms.queryBatch + kvHead * uniforms.group * uniforms.queryHead;
  let keyBase = uniforms.keyOffset + batch * uniforms.keyBatch + kvHead * uniforms.keyHead;
  let valueBase = uniforms.valueOffset + batch * uniforms.valueBatch + kvHead * uniforms.valueHead;
  let maskBase = (uniforms.firstBatch + batch) * uniforms.keys;
  let firstColumn = chunk * 64u;

  // Keys that any of the rows attends to.
  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) { end = min(end, start + min(firstRow + 31u, rows - 1u) / uniforms.group + 1u); }
  if (WINDOW) { first = u32(max(0, i32(start + firstRow / uniforms.group) + 1 - uniforms.window)); }

  var peak = vec4f(MASKED);
  var total = vec4f(); // Of this lane's keys.
  var sumA = mat4x4f(); // This lane's columns 0 to 3: local.x, local.x + 8, ...
  var sumB = mat4x4f(); // Columns 4 to 7.
  for (var tileStart = first; tileStart < end; tileStart += 32u) {
    var scores = mat4x4f(); // This lane's rows against keys local.x, local.x + 8, ...
    for (var d = 0u; d < uniforms.dim; d += 16u) {
      workgroupBarrier();
      for (var n = lane; n < 512u; n += 64u) {
        let element = d + n % 16u;
        let row = min(firstRow + n / 16u, rows - 1u);
        let j = min(tileStart + n / 16u, end - 1u);
        var q = 0.0;
        var k = 0.0;
        if (element < uniforms.dim) {
          q = query[queryBase + row / uniforms.group * uniforms.queryRow + row % uniforms.group * uniforms.queryHead
                    + element * uniforms.queryDim];
          k = key[keyBase + j * uniforms.keyRow + element * uniforms.keyDim];
        }
        queryTile[n % 16u * 32u + n / 16u] = q;
        keyTile[n % 16u * 32u + n / 16u] = k;
      }
      workgroupBarrier();
      let elements = min(16u, uniforms.dim - d);
      for (var e = 0u; e < elements; e++) {
        let q = e * 32u + 4u * local.y;
        let k = e * 32u + local.x;
        scores += outer(vec4f(queryTile[q], queryTile[q + 1u], queryTile[q + 2u], queryTile[q + 3u]),
                        vec4f(keyTile[k], keyTile[k + 8u], keyTile[k + 16u], keyTile[k + 24u]));
      }
    }

    let j = tileStart + local.x;
    scores = mat4x4f(finished(scores[0], slope, j, maskBase, end, last),
                     finished(scores[1], slope, j + 8u, maskBase, end, last),
                     finished(scores[2], slope, j + 16u, maskBase, end, last),
                     finished(scores[3], slope, j + 24u, maskBase, end, last));
    partial[lane] = max(max(scores[0], scores[1]), max(scores[2], scores[3]));
    workgroupBarrier();
    var next = peak;
    for (var n = 0u; n < 8u; n++) { next = max(next, partial[8u * local.y + n]); }
    let kept = exp(peak - next);
    peak = next;
    let weights = mat4x4f(weightsOf(scores[0], peak), weightsOf(scores[1], peak), weightsOf(scores[2], peak),
                          weightsOf(scores[3], peak));
    total = total * kept + (weights[0] + weights[1]) + (weights[2] + weights[3]);
    sumA = scaled(sumA, kept);
    sumB = scaled(sumB, kept);
    let w = local.x * 8u + local.y;
    weightTile[w] = weights[0];
    weightTile[w + 64u] = weights[1];
    weightTile[w + 128u] = weights[2];
    weightTile[w + 192u] = weights[3];

    let found = min(32u, end - tileStart);
    for (var done = 0u; done < found; done += 16u) {
      workgroupBarrier();
      for (var n = lane; n < 1024u; n += 64u) {
        let at = done + n / 64u;
        let column = firstColumn + n % 64u;
        var v = 0.0;
        if (at < found && column < uniforms.valueDim) {
          v = value[valueBase + (tileStart + at) * uniforms.valueRow + column * uniforms.valueColumn];
        }
        valueTile[n] = v;
      }
      workgroupBarrier();
      let count = min(16u, found - done);
      for (var n = 0u; n < count; n++) {
        let weight = weightTile[(done + n) * 8u + local.y];
        let v = n * 64u + local.x;
        sumA += outer(weight, vec4f(valueTile[v], valueTile[v + 8u], valueTile[v + 16u], valueTile[v + 24u]));
        sumB += outer(weight, vec4f(valueTile[v + 32u], valueTile[v + 40u], valueTile[v + 48u], valueTile[v + 56u]));
      }
    }
  }

  workgroupBarrier();
  partial[lane] = total;
  workgroupBarrier();
  total = vec4f();
  for (var n = 0u; n < 8u; n++) { total += partial[8u * local.y + n]; }
  let inverse = select(vec4f(), 1.0 / total, total > vec4f());
  sumA = scaled(sumA, inverse);
  sumB = scaled(sumB, inverse);
  for (var r = 0u; r < 4u; r++) {
    let row = firstRow + 4u * local.y + r;
    if (row < rows) {
      let at = uniforms.outputOffset
        + ((batch * uniforms.queries + row / uniforms.group) * uniforms.kvHeads * uniforms.group
           + kvHead * uniforms.group + row % uniforms.group) * uniforms.valueDim;
      for (var c = 0u; c < 4u; c++) {
        let column = firstColumn + local.x + 8u * c;
        if (column < uniforms.valueDim) { y[at + column] = sumA[c][r]; }
        if (column + 32u < uniforms.valueDim) { y[at + column + 32u] = sumB[c][r]; }
      }
    }
  }
}
