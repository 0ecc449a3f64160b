// One pass of a stable merge sort of places by what indices say there, held within [0, size): order holds sorted runs of
// `run` places, merged gets runs twice as long. Each place goes to where it stands in its own run, plus how many of the
// neighbouring run come before it: those with a lower index, and from the run before also those with the same.
// Grid: a lane for each place. Reference: src/ops/scatterAdd.ts.

override WORKGROUP: u32 = 64;

struct Uniforms { count: u32, run: u32, size: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> indices: array<i32>;      // [count]
@group(0) @binding(2) var<storage, read> order: array<u32>;        // [count]; runs of 1 are not read: they are 0, 1, 2, ...
@group(0) @binding(3) var<storage, read_write> merged: array<u32>; // [count]

fn placeAt(i: u32) -> u32 {
  if (uniforms.run == 1) { return i; }
  return order[i];
}

fn indexAt(i: u32) -> i32 { return clamp(indices[placeAt(i)], 0, i32(uniforms.size) - 1); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (i >= uniforms.count) { return; }
  let begin = i / (2 * uniforms.run) * 2 * uniforms.run;
  let middle = min(begin + uniforms.run, uniforms.count);
  let isSecond = i >= middle;
  let own = indexAt(i);
  // The first of the neighbouring run that does not come before.
  var low = select(middle, begin, isSecond);
  var high = select(min(middle + uniforms.run, uniforms.count), middle, isSecond);
  while (low < high) {
    let at = (low + high) / 2;
    let other = indexAt(at);
    if (other < own || (isSecond && other == own)) { low = at + 1; } else { high = at; }
  }
  merged[i + low - middle] = placeAt(i);
}
