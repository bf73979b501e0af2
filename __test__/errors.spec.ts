import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type ErrorCode, errorCodes, MqttError } from '../src/errors.js'

describe('MqttError', () => {
  it('carries its code, and the sentence of the code when it is given no other', () => {
    const error = new MqttError('ERR_MQTT_BROKER_CLOSED')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'MqttError',
      code: 'ERR_MQTT_BROKER_CLOSED',
      message: 'The broker is closed.',
    })
  })

  it('has a Reason Code and a cause only when they are given', () => {
    const cause = new Error('behind it')
    const full = new MqttError('ERR_MQTT_LISTEN', 'No.', { reasonCode: 0x97, cause })
    expect(full).toMatchObject({ reasonCode: 0x97, cause })
    const bare = new MqttError('ERR_MQTT_LISTEN', 'No.')
    expect('reasonCode' in bare).toBe(false)
    expect('cause' in bare).toBe(false)
  })

  it('shows its name and message in the stack', () => {
    expect(new MqttError('ERR_MQTT_LISTEN', 'No such address.').stack).toMatch(
      /^MqttError: No such address\./,
    )
  })
})

describe('docs/errors.md', () => {
  const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')

  it('has a section for each code, in the order of the table, and for nothing else', () => {
    const sections = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
    expect(sections).toEqual(Object.keys(errorCodes))
  })

  it('says something in each section', () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      const text = page.split(`## ${code}\n`)[1]?.split('\n## ')[0] ?? ''
      expect(text.trim().length, code).toBeGreaterThan(40)
    }
  })
})
