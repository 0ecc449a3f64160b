/**
 * How many letters have to be inserted, deleted, replaced, or swapped with their neighbour, to make one word of another:
 * the restricted Damerau-Levenshtein distance.
 *
 * @param a - One word.
 * @param b - The other.
 */
export const editDistance = (a: string, b: string): number => {
  let before: readonly number[] = [];
  let above: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, swapped, above[j]! + 1, row[j - 1]! + 1));
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
};

/**
 * The words that come closest to one that is none of them, the closest first.
 *
 * @param word - Longer words are cut: nobody mistypes an id by a page.
 * @param known - Words to choose from.
 * @param few - How many at most.
 */
export const closest = (word: string, known: Iterable<string>, few = 3): readonly string[] => {
  const cut = word.slice(0, 100).toLowerCase();
  return [...known]
    .map((candidate) => ({ candidate, distance: editDistance(cut, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, few)
    .map(({ candidate }) => candidate);
};
