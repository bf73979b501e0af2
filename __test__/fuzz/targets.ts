/** The JavaScript targets by name, for the specs that replay their corpora and for `npm run fuzz`. */
import { fuzz as firstBytes } from './first-bytes.js'
import { fuzz as topicUrl } from './topic-url.js'
import { fuzz as upgrade } from './upgrade.js'

/** Takes any bytes, and throws or rejects where something is wrong. */
export type Target = (data: Uint8Array) => Promise<void> | void

export const targets: ReadonlyMap<string, Target> = new Map<string, Target>([
  ['first_bytes', firstBytes],
  ['topic_url', topicUrl],
  ['upgrade', upgrade],
])
