/** The names of elements in order of their opening; throws if tags do not match or text is not escaped. */
export const elements = (xml: string): readonly string[] => {
  const open: string[] = [];
  const names: string[] = [];
  let at = 0;
  for (const match of xml.matchAll(/<(\/?)([\w?]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/|\?)?>/g)) {
    const text = xml.slice(at, match.index);
    if (/[<>]|&(?!#\d+;)/.test(text)) throw new Error(`not escaped: ${text}`);
    at = match.index + match[0].length;
    const [, closes, name = '', , ends] = match;
    if (closes === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    } else {
      names.push(name);
      if (ends === undefined) open.push(name);
    }
  }
  if (open.length > 0 || xml.slice(at).trim() !== '') throw new Error(`open at the end: ${open.join()}`);
  return names;
};
