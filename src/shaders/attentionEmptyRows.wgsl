// y[b, i, h, :] = mean over all j of value[b, j, h / group, :], where query i may attend to no key at all; other rows stay.
// Grid: a workgroup for each batch row and query. Reference: src/ops/attentionReference.ts.

override WORKGROUP: u32 = 64;
override CAUSAL: bool = false;    // Query i attends to keys up to position + i.
override POSITION: bool = false;  // Whether there is a position; otherwise it is 0.
override WINDOW: bool = false;    // ... and only the last `window` of those.
override KEY_MASK: bool = false;

struct Uniforms {
  workgroups: u32, firstBatch: u32, queries: u32, keys: u32, kvHeads: u32, group: u32, valueDim: u32, window: i32,
  valueOffset: u32, valueBatch: u32, valueRow: u32, valueHead: u32, valueColumn: u32,
  outputOffset: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> value: array<f32>;    // [batch, keys, kvHeads, valueDim], strided
@group(0) @binding(2) var<storage, read> position: array<i32>; // []
@group(0) @binding(3) var<storage, read> keyMask: array<u32>;  // [batch, keys]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [batch, queries, kvHeads * group, valueDim]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = id.y * grid.x + id.x;
  if (index >= uniforms.workgroups) { return; }
  let batch = index / uniforms.queries;
  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) {
    var last = index % uniforms.queries;
    if (POSITION) { last += u32(max(position[0], 0)); }
    end = min(end, last + 1u);
    if (WINDOW) { first = u32(max(0, i32(last) + 1 - uniforms.window)); }
  }
  // Every lane looks for the first key that may be seen: it is one of the first, most of the time.
  for (var j = first; j < end; j++) {
    if (!KEY_MASK || keyMask[(uniforms.firstBatch + batch) * uniforms.keys + j] != 0u) { return; }
  }
  let columns = uniforms.kvHeads * uniforms.group * uniforms.valueDim;
  for (var c = lane; c < columns; c += WORKGROUP) {
    let head = c / uniforms.valueDim / uniforms.group;
    var at = uniforms.valueOffset + batch * uniforms.valueBatch + head * uniforms.valueHead
      + c % uniforms.valueDim * uniforms.valueColumn;
    var sum = 0.0;
    for (var j = 0u; j < uniforms.keys; j++) {
      sum += value[at];
      at += uniforms.valueRow;
    }
    y[uniforms.outputOffset + index * columns + c] = sum / f32(uniforms.keys);
  }
}
