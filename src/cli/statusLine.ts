/** What goes on, on one line of a terminal that is written over. */
export const status = process.stderr.isTTY
  ? (text: string): void => void process.stderr.write(`\r\u001b[K${text}`)
  : (): void => undefined;
