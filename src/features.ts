/**
 * The parts of MQTT that a server may do without. A broker that switches one off says so in CONNACK; a 5.0 client that
 * uses it all the same is disconnected with the Reason Code below, as the standard has it.
 */
import { z } from 'zod'
import { integer } from './validate.js'

/** What clients may use. Everything, unless it is said otherwise. */
export interface Features {
  /**
   * The highest QoS of what clients publish, and the highest that a subscription is granted: 0 to 2. Above it: 0x9B,
   * QoS not supported. Default 2.
   */
  readonly maximumQos: number
  /** Retained messages, and wills that are retained. Without: 0x9A, Retain not supported. Default true. */
  readonly retain: boolean
  /** Subscriptions with `+` or `#`. Without: 0xA2, Wildcard Subscriptions not supported. Default true. */
  readonly wildcardSubscriptions: boolean
  /** Subscription Identifiers. Without: 0xA1, Subscription Identifiers not supported. Default true. */
  readonly subscriptionIdentifiers: boolean
  /** `$share/<name>/<filter>`. Without: 0x9E, Shared Subscriptions not supported. Default true. */
  readonly sharedSubscriptions: boolean
}

/** All of MQTT. */
export const defaultFeatures: Features = Object.freeze({
  maximumQos: 2,
  retain: true,
  wildcardSubscriptions: true,
  subscriptionIdentifiers: true,
  sharedSubscriptions: true,
})

const flag = z.boolean({ error: 'must be true or false' }).optional()

/** Some features, as an operator gives them. */
export const featuresSchema = z.strictObject(
  {
    maximumQos: integer(0, 2).optional(),
    retain: flag,
    wildcardSubscriptions: flag,
    subscriptionIdentifiers: flag,
    sharedSubscriptions: flag,
  },
  { error: 'must be an object of features' },
)
