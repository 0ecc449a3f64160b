const told = new Set<string>();

/** Says something on the console, the first time only. */
export const warnOnce = (message: string): void => {
  if (told.has(message)) return;
  told.add(message);
  console.warn(`purelm: ${message}`);
};
