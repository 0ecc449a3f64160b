/**
 * Things in their order, as many in each file as its limit allows. One that is larger has a file of its own.
 *
 * @param items - At least one file comes out, also of none.
 */
export const shardsOf = <A>(
  items: readonly A[],
  sizeOf: (item: A) => number,
  mostBytes: number,
): readonly (readonly A[])[] => {
  const shards: A[][] = [[]];
  let filled = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (filled > 0 && filled + size > mostBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)!.push(item);
    filled += size;
  }
  return shards;
};
