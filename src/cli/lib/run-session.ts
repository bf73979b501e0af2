/** The life of a command with a client: work, an orderly goodbye, and the exit code. */
import { dieOf, endOnSignals, type Session } from './session.js'

/** Runs `work`, which ends by throwing an `Exit`, and takes leave of the server however it ends. */
export async function runSession(session: Session, work: (session: Session) => Promise<void>): Promise<void> {
  const end = endOnSignals(session)
  try {
    await work(session)
  } catch (error) {
    const exit = session.failure(error)
    await session.close()
    if (end.signal !== undefined) {
      dieOf(end.signal)
      return
    }
    if (exit.exitCode !== 0) throw exit
  }
}
