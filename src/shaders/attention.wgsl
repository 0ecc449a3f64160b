// y[b, i, h, :] = sum_j softmax_j(scale * query[b, i, h, :] . key[b, j, h / group, :]) * value[b, j, h / group, :]
// For any device: one workgroup computes one row, its lanes share the keys. For values it is laid out as `spread` columns
// (a power of two) times WORKGROUP / spread parts of the keys, whose sums are added at the end.
// Where rows are too few to keep a GPU busy, the keys of a row are shared out over several workgroups, `span` keys to each,
// and attentionMerge.wgsl puts together what they found; those behind the last key that is seen have nothing to do.
// Grid: a workgroup for each batch row, query, head, WORKGROUP columns and share. Reference: src/ops/attentionReference.ts.

override WORKGROUP: u32 = 64;     // A power of two.
override CAUSAL: bool = false;    // Query i attends to keys up to position + i.
override POSITION: bool = false;  // Whether there is a position; otherwise it is 0.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;
override SLOPES: bool = false;    // slopesScale * slopes[h] * (place of the key) is added to scores.
override PLACES: bool = false;    // The place of a key is keyPositions[b, j]; otherwise j.
override ROUNDED: bool = false;   // Places, and products of slopes and places, are rounded to bfloat16.
override SOFT_CAP: bool = false;  // Scores are softCap * tanh(score / softCap).
override KEY_ROWS: bool = false;  // Key j is in row keyMask[b, j] of key and value; there is no mask then.
override SHARED: bool = false;    // Whether keys are shared out; y is then [rows, shares, valueDim + 2]: sums, their total, the peak.
const MASKED = -1e30;

struct Uniforms {
  workgroups: u32, tiles: u32, chunks: u32, spread: u32, shares: u32, span: u32,
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
@group(0) @binding(5) var<storage, read> keyMask: array<u32>;      // [batch, keys], or the keys' rows
@group(0) @binding(6) var<storage, read> slopes: array<f32>;       // [kvHeads * group]
@group(0) @binding(7) var<storage, read> keyPositions: array<f32>; // [batch, keys]
@group(0) @binding(8) var<storage, read_write> y: array<f32>;      // [batch, queries, kvHeads * group, valueDim]

var<workgroup> weights: array<f32, WORKGROUP>;
var<workgroup> partial: array<f32, WORKGROUP>;

// To nearest, ties to even.
fn bfloat16(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  return bitcast<f32>((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
}

// What ALiBi adds to a score, but for its scale; a slope comes as it is to be.
fn bias(slope: f32, place: f32) -> f32 {
  if (!ROUNDED) { return slope * place; }
  return bfloat16(slope * bfloat16(place));
}

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.workgroups == 0xffffffffu); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let share = index % uniforms.shares;
  let work = index / uniforms.shares;
  let row = work % uniforms.tiles; // Query and head of the group.
  let chunk = work / uniforms.tiles % uniforms.chunks;
  let pair = work / (uniforms.tiles * uniforms.chunks);
  let batch = pair / uniforms.kvHeads;
  let kvHead = pair % uniforms.kvHeads;
  let i = row / uniforms.group;
  let head = kvHead * uniforms.group + row % uniforms.group;

  let queryAt = uniforms.queryOffset + batch * uniforms.queryBatch + i * uniforms.queryRow + head * uniforms.queryHead;
  var keyBase = uniforms.keyOffset + kvHead * uniforms.keyHead;
  let maskBase = (uniforms.firstBatch + batch) * uniforms.keys;
  // This lane's column and its part of the keys; past the end it computes the last column again, and does not store it.
  let column = chunk * WORKGROUP + lane % uniforms.spread;
  let part = lane / uniforms.spread;
  let parts = WORKGROUP / uniforms.spread;
  var valueAt = uniforms.valueOffset + kvHead * uniforms.valueHead
    + min(column, uniforms.valueDim - 1u) * uniforms.valueColumn;
  if (!KEY_ROWS) {
    keyBase += batch * uniforms.keyBatch;
    valueAt += batch * uniforms.valueBatch;
  }

  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) {
    var last = i;
    if (POSITION) { last += u32(max(position[0], 0)); }
    end = min(end, last + 1u);
    if (WINDOW) { first = u32(max(0, i32(last) + 1 - uniforms.window)); }
  }
  if (SHARED) {
    first = max(first, share * uniforms.span);
    end = min(end, (share + 1u) * uniforms.span);
    if (first >= end) { return; } // The whole workgroup leaves.
  }

  var peak = MASKED;
  var total = 0.0; // Of this lane's keys.
  var sum = 0.0;   // Of this lane's column and part.
  for (var tileStart = first; tileStart < end; tileStart += WORKGROUP) {
    let j = tileStart + lane;
    var seen = j < end;
    if (KEY_MASK && seen) { seen = keyMask[maskBase + j] != 0u; }
    var score = MASKED;
    if (seen) {
      score = 0.0;
      var q = queryAt;
      var k = keyBase + j * uniforms.keyRow;
      if (KEY_ROWS) { k += keyMask[maskBase + j] * uniforms.keyBatch; }
      for (var d = 0u; d < uniforms.dim; d++) {
        score += query[q] * key[k];
        q += uniforms.queryDim;
        k += uniforms.keyDim;
      }
      score *= uniforms.scale;
      if (SOFT_CAP) { score = uniforms.softCap * tanh(score / uniforms.softCap); }
      if (SLOPES) {
        var place = f32(j);
        if (PLACES) { place = keyPositions[maskBase + j]; }
        score += uniforms.slopesScale * bias(slopes[head], place);
      }
    }
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
    total = total * kept + weight;
    weights[lane] = weight;
    workgroupBarrier();
    sum *= kept;
    let found = min(WORKGROUP, end - tileStart);
    for (var n = part; n < found; n += parts) {
      var at = valueAt + (tileStart + n) * uniforms.valueRow;
      if (KEY_ROWS) { at += keyMask[maskBase + tileStart + n] * uniforms.valueBatch; }
      sum += weights[n] * value[at];
    }
  }

  workgroupBarrier();
  weights[lane] = total;
  partial[lane] = sum;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0u; half /= 2u) {
    if (lane < half) {
      weights[lane] += weights[lane + half];
      if (half >= uniforms.spread) { partial[lane] += partial[lane + half]; }
    }
    workgroupBarrier();
  }
  total = weights[0];
  let outputRow = (batch * uniforms.queries + i) * uniforms.kvHeads * uniforms.group + head;
  if (SHARED) {
    let at = (outputRow * uniforms.shares + share) * (uniforms.valueDim + 2u);
    if (part == 0u && column < uniforms.valueDim) { y[at + column] = partial[lane]; }
    if (lane == 0u && chunk == 0u) {
      y[at + uniforms.valueDim] = total;
      y[at + uniforms.valueDim + 1u] = peak;
    }
  } else if (part == 0u && column < uniforms.valueDim) {
    y[uniforms.outputOffset + outputRow * uniforms.valueDim + column] = select(0.0, partial[lane] / total, total > 0.0);
  }
}
