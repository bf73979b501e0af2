/** Text that programs printed, as it is read. */

/** Without the escape sequences of colours. */
export function withoutColor(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  return text.replace(/\x1b\[[\d;]*m/g, '')
}
