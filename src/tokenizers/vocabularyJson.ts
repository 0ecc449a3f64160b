/** A vocabulary as Python's json.dumps writes it: in ASCII, and in the order of the ids. */
export const vocabularyJson = (vocabulary: ReadonlyMap<string, number>): string => {
  const quoted = (token: string): string =>
    JSON.stringify(token).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  return `{${[...vocabulary]
    .sort(([, a], [, b]) => a - b)
    .map(([token, id]) => `${quoted(token)}: ${id}`)
    .join(', ')}}`;
};
