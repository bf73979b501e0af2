/** Colours, where there are any. */

/** Paints a text: bold for names, dim for what is less important, cyan for what can be used, red for trouble. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  cyan(text: string): string
  red(text: string): string
}

/** `wantsColor` of src/cli/banner.ts says whether there are colours. */
export function paintWith(color: boolean): Paint {
  const paint = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
  return { bold: paint(1), dim: paint(2), cyan: paint(36), red: paint(31) }
}
