// x[start + i] = update[i] for every index i of the update, in place. Elements are words, whatever they hold.
// In x, the box of the update begins at base + clamp(start, 0, limit) * step, so that it never leaves x; places outside of
// [first, end) lie in another binding. Indices have 4 axes, of which the last is contiguous in x.
// Grid: a lane for each element of the update. Reference: src/ops/sliceUpdate.ts.

override WORKGROUP: u32 = 64;
override DYNAMIC: bool = false; // Whether start counts; otherwise the box begins at base.

struct Uniforms {
  count: u32, size1: u32, size2: u32, size3: u32,
  base: u32, step: u32, limit: i32, first: u32, end: u32,
  to0: u32, to1: u32, to2: u32,
  offset: u32, from0: u32, from1: u32, from2: u32, from3: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> start: array<i32>;     // []
@group(0) @binding(2) var<storage, read> update: array<u32>;    // [count / size1 / size2 / size3, size1, size2, size3], strided
@group(0) @binding(3) var<storage, read_write> x: array<u32>;

// The indices of an element of the update, by its number.
fn indicesOf(index: u32) -> vec4u {
  let rows = index / uniforms.size3;
  return vec4u(rows / uniforms.size2 / uniforms.size1, rows / uniforms.size2 % uniforms.size1, rows % uniforms.size2,
    index % uniforms.size3);
}

// Where it goes.
fn placeOf(i: vec4u) -> u32 {
  let place = uniforms.base + i.x * uniforms.to0 + i.y * uniforms.to1 + i.z * uniforms.to2 + i.w;
  if (!DYNAMIC) { return place; }
  return place + u32(clamp(start[0], 0, uniforms.limit)) * uniforms.step;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (id.y * grid.x + id.x) * WORKGROUP + lane;
  if (index >= uniforms.count) { return; }
  let i = indicesOf(index);
  let place = placeOf(i);
  if (place < uniforms.first || place >= uniforms.end) { return; }
  x[place - uniforms.first] =
    update[uniforms.offset + i.x * uniforms.from0 + i.y * uniforms.from1 + i.z * uniforms.from2 + i.w * uniforms.from3];
}
