// y[row, j] = whether probabilities[row, j] belongs to the nucleus: whether the numbers before it, in falling order and
// equal ones by rising place, sum to p at most. Nothing is sorted: the smallest number of the nucleus is found bit by
// bit, since numbers that are not negative compare like their bits.
// One subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/topPMask.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.

struct Uniforms { rows: u32, columns: u32, p: f32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>; // [rows, columns], not negative
@group(0) @binding(2) var<storage, read_write> y: array<u32>;       // [rows, columns], 0 or 1

// The sum of all lanes' values, in every lane.
fn total(value: vec3f) -> vec3f { return subgroupAdd(value); }

// The sum of the counts of the lanes before this one.
fn countsBefore(count: u32) -> u32 { return subgroupExclusiveAdd(count); }

// The sums of the numbers of a lane's columns, lane, lane + WORKGROUP, ..., whose bits are above each of three bounds.
fn sumsAbove(start: u32, lane: u32, bounds: vec3u) -> vec3f {
  var sums = vec3f();
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let value = abs(probabilities[start + j]); // There is a -0, whose bits are high.
    sums += select(vec3f(), vec3f(value), vec3u(bitcast<u32>(value)) > bounds);
  }
  return sums;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  // The lowest bits above which numbers sum to p at most: two bits a step, by how many of three bounds are too low.
  var lowest = 0u;
  for (var i = 0u; i < 16; i++) {
    let step = 1u << (30 - 2 * i);
    let bounds = vec3u(lowest + step - 1, lowest + 2 * step - 1, lowest + 3 * step - 1);
    let isTooLow = total(sumsAbove(start, lane, bounds)) > vec3f(uniforms.p);
    lowest += step * dot(vec3u(isTooLow), vec3u(1));
  }

  // All that are above belong; of those that are equal, as many as the sum allows, and one more.
  let value = bitcast<f32>(lowest);
  let above = total(sumsAbove(start, lane, vec3u(lowest))).x;
  var kept = uniforms.columns;
  if (value > 0) { kept = u32(min((uniforms.p - above) / value, f32(kept))) + 1; }

  // Places count among equals, so a lane has a run of neighbouring columns.
  let run = (uniforms.columns + WORKGROUP - 1) / WORKGROUP;
  let end = min(uniforms.columns, (lane + 1) * run);
  var count = 0u;
  for (var j = lane * run; j < end; j++) { count += u32(bitcast<u32>(abs(probabilities[start + j])) == lowest); }
  var rank = countsBefore(count);
  for (var j = lane * run; j < end; j++) {
    let bits = bitcast<u32>(abs(probabilities[start + j]));
    y[start + j] = u32(bits > lowest || (bits == lowest && rank < kept));
    rank += u32(bits == lowest);
  }
}
