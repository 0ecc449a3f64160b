// y[row, :] = the places of the k largest of x[row, :], largest first, equal ones by rising place.
// One subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/topK.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.
const NONE = 0xffffffffu;
const MOST_GROUPS = 256u;

struct Uniforms { rows: u32, columns: u32, k: u32, groups: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<i32>; // [rows, k]

struct Candidate { value: f32, place: u32 }

// Whether a comes before b in the order that is asked for.
fn isBefore(a: Candidate, b: Candidate) -> bool {
  return a.value > b.value || (a.value == b.value && a.place < b.place);
}

// The first of columns begin, begin + step, ... of a row, of those after `last`, or of all of them.
fn firstOf(start: u32, begin: u32, step: u32, last: Candidate, all: bool) -> Candidate {
  var best = Candidate(LOWEST, NONE);
  for (var j = begin; j < uniforms.columns; j += step) {
    let candidate = Candidate(max(x[start + j], LOWEST), j);
    if ((all || isBefore(last, candidate)) && isBefore(candidate, best)) { best = candidate; }
  }
  return best;
}

// The first candidate of each group of columns: group, group + groups, ... A lane reads and writes those of its own
// groups alone, lane, lane + WORKGROUP, ..., so no barrier is needed.
var<workgroup> firsts: array<Candidate, MOST_GROUPS>;

// The first of all lanes' candidates, in every lane.
fn firstOfLanes(own: Candidate) -> Candidate {
  let value = subgroupMax(own.value);
  return Candidate(value, subgroupMin(select(NONE, own.place, own.value == value)));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  for (var g = lane; g < uniforms.groups; g += WORKGROUP) {
    firsts[g] = firstOf(start, g, uniforms.groups, Candidate(), true);
  }
  for (var n = 0u; n < uniforms.k; n++) {
    var own = Candidate(LOWEST, NONE);
    for (var g = lane; g < uniforms.groups; g += WORKGROUP) {
      if (isBefore(firsts[g], own)) { own = firsts[g]; }
    }
    let taken = firstOfLanes(own);
    if (lane == 0) { y[row * uniforms.k + n] = i32(taken.place); }
    // All lanes together look for what is now the first of the group that had it.
    let g = taken.place % uniforms.groups;
    let next = firstOfLanes(
      firstOf(start, g + lane * uniforms.groups, WORKGROUP * uniforms.groups, taken, false));
    if (lane == g % WORKGROUP) { firsts[g] = next; }
  }
}
