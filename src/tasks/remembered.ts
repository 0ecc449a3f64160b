/** The value of a key in a map that holds it as long as the key lives, made when it is first asked for. */
export const remembered = <K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V => {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
};
