/** Where a command's text goes, and what happens when nobody reads it any more. */

/** What a command writes to; a test puts its own in place. */
export interface Io {
  /** Standard output: results. */
  out(text: string): void
  /** Standard error: what went wrong, progress, debugging. */
  error(text: string): void
}

/** The streams of this process. */
export const processIo: Io = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
}

/** `topicwire sub … | head -1`: a reader that has seen enough is no failure. */
let onReaderGone: () => void = () => process.exit(0)

/** What to do when standard output or standard error is closed at its other end. Without it the process just ends. */
export function whenReaderGone(action: () => void): void {
  onReaderGone = action
}

/** Once, at the start. */
export function watchStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') onReaderGone()
      else process.exit(1)
    })
  }
}
