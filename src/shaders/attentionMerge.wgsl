// y[row, :] = sum_s exp(peak[s] - peak) * sum[s, :] / sum_s exp(peak[s] - peak) * total[s]: the shares of a row's keys that
// attention.wgsl has been through, put together; only those in which there are keys that the row attends to were written.
// Grid: a workgroup for each batch row, query and head. Reference: src/ops/attentionReference.ts.

override WORKGROUP: u32 = 64;
override CAUSAL: bool = false;    // Query i attends to keys up to position + i.
override POSITION: bool = false;  // Whether there is a position; otherwise it is 0.
override WINDOW: bool = false;    // ... and only the last `window` of those.

struct Uniforms {
  workgroups: u32, queries: u32, keys: u32, heads: u32, valueDim: u32, window: i32, shares: u32, span: u32, outputOffset: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> found: array<f32>;    // [batch, queries, heads, shares, valueDim + 2]: sums, their total, the peak
@group(0) @binding(2) var<storage, read> position: array<i32>; // []
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [batch, queries, heads, valueDim]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = id.y * grid.x + id.x;
  if (row >= uniforms.workgroups) { return; }
  var first = 0u;
  var end = uniforms.keys;
  if (CAUSAL) {
    var last = row / uniforms.heads % uniforms.queries;
    if (POSITION) { last += u32(max(position[0], 0)); }
    end = min(end, last + 1u);
    if (WINDOW) { first = u32(max(0, i32(last) + 1 - uniforms.window)); }
  }
  let width = uniforms.valueDim + 2u;
  let base = row * uniforms.shares * width;
  let start = base + first / uniforms.span * width;
  let stop = base + (end + uniforms.span - 1u) / uniforms.span * width;

  var peak = -3.0e38;
  for (var at = start; at < stop; at += width) { peak = max(peak, found[at + uniforms.valueDim + 1u]); }
  var total = 0.0;
  for (var at = start; at < stop; at += width) {
    total += exp(found[at + uniforms.valueDim + 1u] - peak) * found[at + uniforms.valueDim];
  }
  for (var column = lane; column < uniforms.valueDim; column += WORKGROUP) {
    var sum = 0.0;
    for (var at = start; at < stop; at += width) { sum += exp(found[at + uniforms.valueDim + 1u] - peak) * found[at + column]; }
    y[uniforms.outputOffset + row * uniforms.valueDim + column] = select(0.0, sum / total, total > 0.0);
  }
}
