// y[row, j] = whether probabilities[row, j] belongs to the nucleus: whether the numbers before it, in falling order and
// equal ones by rising place, sum to p at most. Nothing is sorted: the smallest number of the nucleus is found bit by
// bit, since numbers that are not negative compare like their bits.
// One workgroup a row.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/topPMask.ts.

override WORKGROUP: u32 = 64; // A power of two.

struct Uniforms { rows: u32, columns: u32, p: f32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>; // [rows, columns], not negative
@group(0) @binding(2) var<storage, read_write> y: array<u32>;       // [rows, columns], 0 or 1

var<workgroup> partial: array<vec3f, WORKGROUP>;
var<workgroup> counts: array<u32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

// The sum of all lanes' values, in every lane.
fn total(value: vec3f, lane: u32) -> vec3f {
  partial[lane] = value;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&partial[0]);
}

// The sum of the counts of the lanes before this one.
fn countsBefore(count: u32, lane: u32) -> u32 {
  counts[lane] = count;
  workgroupBarrier();
  for (var reach = 1u; reach < WORKGROUP; reach *= 2) {
    var before = 0u;
    if (lane >= reach) { before = counts[lane - reach]; }
    workgroupBarrier();
    counts[lane] += before;
    workgroupBarrier();
  }
  return counts[lane] - count;
}

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
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;

  // The lowest bits above which numbers sum to p at most: two bits a step, by how many of three bounds are too low.
  var lowest = 0u;
  for (var i = 0u; i < hidden(16u); i++) {
    let step = 1u << (30 - 2 * i);
    let bounds = vec3u(lowest + step - 1, lowest + 2 * step - 1, lowest + 3 * step - 1);
    let isTooLow = total(sumsAbove(start, lane, bounds), lane) > vec3f(uniforms.p);
    lowest += step * dot(vec3u(isTooLow), vec3u(1));
  }

  // All that are above belong; of those that are equal, as many as the sum allows, and one more.
  let value = bitcast<f32>(lowest);
  let above = total(sumsAbove(start, lane, vec3u(lowest)), lane).x;
  var kept = uniforms.columns;
  if (value > 0) { kept = u32(min((uniforms.p - above) / value, f32(kept))) + 1; }

  // Places count among equals, so a lane has a run of neighbouring columns.
  let run = (uniforms.columns + WORKGROUP - 1) / WORKGROUP;
  let end = min(uniforms.columns, (lane + 1) * run);
  var count = 0u;
  for (var j = lane * run; j < end; j++) { count += u32(bitcast<u32>(abs(probabilities[start + j])) == lowest); }
  var rank = countsBefore(count, lane);
  for (var j = lane * run; j < end; j++) {
    let bits = bitcast<u32>(abs(probabilities[start + j]));
    y[start + j] = u32(bits > lowest || (bits == lowest && rank < kept));
    rank += u32(bits == lowest);
  }
}
