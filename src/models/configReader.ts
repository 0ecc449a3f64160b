/** A config that no model can be built from: says which fields, what was expected and what came. */
export interface ConfigError {
  readonly _tag: 'WrongConfig';
  readonly message: string;
}

/** A JSON object of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object (not null, not a list). */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A text from a stranger in one line that no terminal takes for commands: what nobody sees is written as an escape. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (hidden) => `\\u{${hidden.codePointAt(0)!.toString(16)}}`);

/** More of a value than messages show. */
const mostPreview = 120;

/** A value as JSON, as far as a message shows it. */
const written = (value: unknown, room: number): string => {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room));
  if (typeof value !== 'object' || value === null) return value === undefined ? 'null' : String(value);
  const isList = Array.isArray(value);
  let text = isList ? '[' : '{';
  let separator = '';
  for (const key of isList ? value.keys() : Object.keys(value)) {
    text += separator + (isList ? '' : `${written(key, room)}:`);
    // What goes deep ends here too: each level takes a character.
    if (text.length > room) return text;
    text += written((value as Readonly<Record<string, unknown>>)[key], room - text.length);
    separator = ',';
  }
  return text + (isList ? ']' : '}');
};

/** A value as it stands in messages: short, whatever it is. */
export const preview = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : typeof value === 'function' ? 'function' : written(value, mostPreview);
  return text.length > mostPreview ? `${text.slice(0, mostPreview - 3)}...` : text;
};

/** Reads fields of a JSON object and gathers what is wrong, so that one message can say all of it. */
export interface ConfigReader {
  /** The field's value if the object itself has it, by the first of its names that is there. */
  readonly value: (...names: readonly string[]) => unknown;
  /** A whole number from `low` to `high`; `fallback` where the field is absent. */
  readonly integer: (
    names: string | readonly string[],
    range: { readonly low?: number; readonly high: number; readonly fallback?: number },
  ) => number;
  /** A finite number that `accepts`. */
  readonly number: (
    name: string,
    rule: { readonly fallback: number; readonly expected: string; readonly accepts: (value: number) => boolean },
  ) => number;
  /** What the table has for the field's text; `fallback` is the text where the field is absent. */
  readonly oneOf: <A>(name: string, table: ReadonlyMap<unknown, A>, fallback: string) => A;
  /** A flag or number that must have one value, because the arithmetic for the other is not there. */
  readonly fixed: (name: string, value: boolean | number, why: string) => void;
  /** The names of the object's fields for which nobody has asked. */
  readonly unread: () => readonly string[];
  /** Adds a complaint. */
  readonly complain: (problem: string) => void;
  /** Everything that was wrong so far. */
  readonly problems: readonly string[];
}

/** A reader of the object's own fields: nothing is inherited, so `__proto__` and `constructor` are names like others. */
export const configReader = (object: JsonObject): ConfigReader => {
  const problems: string[] = [];
  const asked = new Set<string>();
  const complain = (problem: string): void => {
    problems.push(problem);
  };
  const value = (...names: readonly string[]): unknown => {
    for (const name of names) asked.add(name);
    const name = names.find((candidate) => Object.hasOwn(object, candidate));
    return name === undefined ? undefined : object[name];
  };
  return {
    value,
    unread: () => Object.keys(object).filter((name) => !asked.has(name)),
    complain,
    problems,
    integer: (names, { low = 1, high, fallback }) => {
      const list = typeof names === 'string' ? [names] : names;
      const stored = value(...list);
      const found = stored === undefined ? fallback : stored;
      if (typeof found === 'number' && Number.isInteger(found) && found >= low && found <= high) return found;
      complain(`${list[0]}: expected a whole number from ${low} to ${high}, got ${preview(found)}`);
      return low;
    },
    number: (name, { fallback, expected, accepts }) => {
      const stored = value(name);
      const found = stored === undefined ? fallback : stored;
      if (typeof found === 'number' && Number.isFinite(found) && accepts(found)) return found;
      complain(`${name}: expected ${expected}, got ${preview(found)}`);
      return fallback;
    },
    oneOf: (name, table, fallback) => {
      const stored = value(name);
      const found = stored === undefined ? fallback : stored;
      if (!table.has(found))
        complain(`${name}: expected one of ${[...table.keys()].join(', ')}, got ${preview(found)}`);
      return table.get(table.has(found) ? found : fallback)!;
    },
    fixed: (name, expected, why) => {
      const found = value(name);
      if (found !== undefined && found !== expected)
        complain(`${name}: expected ${expected}, got ${preview(found)} (${why})`);
    },
  };
};
